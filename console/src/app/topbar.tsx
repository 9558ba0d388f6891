import { type ReactNode, useEffect, useState } from 'react'
import { createPortal } from 'react-dom'

/** Shows a screen's own bar within the shell's. */
export function TopBar({ children }: { children: ReactNode }) {
  const [place, setPlace] = useState<HTMLElement | null>(null)
  useEffect(() => setPlace(document.getElementById('topbar')), [])
  return place && createPortal(children, place)
}
