import { useEffect, useRef } from 'react'

/** What the screen that is shown offers in the palette (Ctrl-K) besides the places to go. */
export interface Command {
  label: string
  /** Words that find it besides its label. */
  also?: string
  run: () => void
}

const offered = new Set<() => Command[]>()

export const commands = (): Command[] => [...offered].flatMap(f => f())

/** Offers commands while the component is shown. */
export function useCommands(list: Command[]) {
  const latest = useRef(list)
  latest.current = list
  useEffect(() => {
    const f = () => latest.current
    offered.add(f)
    return () => {
      offered.delete(f)
    }
  }, [])
}
