import { useQueryClient } from '@tanstack/react-query'
import { CloudOff } from 'lucide-react'
import { useEffect, useSyncExternalStore } from 'react'
import { isServerAway, onServer } from '../api/away.ts'
import { Spinner } from '../ui/button.tsx'

/** Says that the server is away, and has every list asked again when it is back. */
export function Away({ quiet }: { quiet: boolean }) {
  const away = useSyncExternalStore(onServer, isServerAway)
  const client = useQueryClient()
  useEffect(
    () =>
      onServer(() => {
        if (!isServerAway()) void client.invalidateQueries()
      }),
    [client],
  )
  if (!away || quiet) return null
  return (
    <div role="status" className="flex shrink-0 items-center justify-center gap-2.5 border-line border-b bg-warn-soft px-4 py-2 text-ink-2">
      <CloudOff aria-hidden className="size-4 text-warn" />
      <span>Sluice is away. What is shown here stays, and goes on by itself when it is back.</span>
      <Spinner />
    </div>
  )
}
