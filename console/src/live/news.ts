import { type QueryKey, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { type LiveState, useLive } from './stream.ts'

/**
 * What happens shows within a second: news asks these queries again, once for
 * all of a burst. The history follows what is told within a second, so once
 * more when it is quiet, and once more for one that is behind. So it is, too, with
 * what happened just before the page was opened, of which nothing is told.
 */
export function useNews(query: { flow?: string; status?: string[] }, keys: QueryKey[], off = false): LiveState {
  const client = useQueryClient()
  const latest = useRef(keys)
  latest.current = keys
  const due = useRef<ReturnType<typeof setTimeout>>(undefined)
  const later = useRef<ReturnType<typeof setTimeout>[]>([])
  const ask = () => {
    for (const queryKey of latest.current) void client.invalidateQueries({ queryKey })
  }
  const askLater = () => {
    later.current.forEach(clearTimeout)
    later.current = [1200, 4000].map(ms => setTimeout(ask, ms))
  }
  const again = () => {
    due.current ??= setTimeout(() => {
      due.current = undefined
      ask()
    }, 400)
    askLater()
  }
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the page opens
  useEffect(() => {
    askLater()
    return () => {
      clearTimeout(due.current)
      later.current.forEach(clearTimeout)
    }
  }, [])
  return useLive(query, { execution: again, lost: again }, off)
}
