import { type QueryClient, type QueryKey, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { type LiveState, useLive } from './stream.ts'

// The history follows what is told by up to a second, and by more under load.
const behind = [1200, 4000]

const askAgain = (client: QueryClient, keys: QueryKey[]) => {
  for (const queryKey of keys) void client.invalidateQueries({ queryKey })
}

/**
 * Asks these queries once more, some time after a page was opened: of what
 * happened just before, nothing is told, and the history may not have it yet.
 */
export function useCatchUp(...keys: QueryKey[]) {
  const client = useQueryClient()
  const id = JSON.stringify(keys)
  useEffect(() => {
    const later = behind.map(ms =>
      setTimeout(() => {
        askAgain(client, JSON.parse(id))
      }, ms),
    )
    return () => later.forEach(clearTimeout)
  }, [client, id])
}

/**
 * What happens shows within a second: news asks these queries again, once for
 * all of a burst. The history follows what is told within a second, so once
 * more when it is quiet, and once more for one that is behind.
 */
export function useNews(query: { flow?: string; status?: string[] }, keys: QueryKey[], off = false): LiveState {
  const client = useQueryClient()
  const latest = useRef(keys)
  latest.current = keys
  const due = useRef<ReturnType<typeof setTimeout>>(undefined)
  const later = useRef<ReturnType<typeof setTimeout>[]>([])
  const ask = () => askAgain(client, latest.current)
  const again = () => {
    due.current ??= setTimeout(() => {
      due.current = undefined
      ask()
    }, 400)
    later.current.forEach(clearTimeout)
    later.current = behind.map(ms => setTimeout(ask, ms))
  }
  useEffect(
    () => () => {
      clearTimeout(due.current)
      later.current.forEach(clearTimeout)
    },
    [],
  )
  useCatchUp(...keys)
  return useLive(query, { execution: again, lost: again }, off)
}
