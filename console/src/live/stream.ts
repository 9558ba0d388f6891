import { useEffect, useRef, useState } from 'react'
import { noAnswer } from '../api/away.ts'
import type { Execution } from '../executions/types.ts'

/** How a live stream stands. */
export type LiveState = 'connecting' | 'live' | 'away'

/**
 * Follows executions as they are committed, while the component is shown. The
 * browser reconnects by itself and says what it saw last. onLost: something may
 * have been missed, list again.
 */
export function useLive(
  query: { flow?: string; status?: string[] },
  on: { execution: (x: Execution) => void; lost: () => void },
  off = false,
): LiveState {
  const [state, setState] = useState<LiveState>('connecting')
  const latest = useRef(on)
  latest.current = on
  const p = new URLSearchParams()
  if (query.flow) p.set('flow', query.flow)
  if (query.status?.length) p.set('status', query.status.join(','))
  const search = p.toString()
  const before = useRef(search)
  useEffect(() => {
    if (off) return
    // Whoever turns filters does so several times: the stream follows when it is quiet.
    const wait = before.current === search ? 0 : 200
    before.current = search
    let source: EventSource | undefined
    let again: ReturnType<typeof setTimeout> | undefined
    let last = ''
    let joined = false
    const connect = () => {
      const s = new URLSearchParams(search)
      if (last) s.set('after', last)
      source = new EventSource(`/api/v1/live?${s}`)
      source.addEventListener('ready', () => {
        if (joined && !last) latest.current.lost() // away before anything was seen
        joined = true
        setState('live')
      })
      source.addEventListener('execution', e => {
        last = e.lastEventId
        latest.current.execution(JSON.parse(e.data) as Execution)
      })
      source.addEventListener('lost', () => latest.current.lost())
      source.onerror = () => {
        setState('away')
        noAnswer()
        // A browser gives up on an answer that is no stream, such as a 503.
        if (source?.readyState === EventSource.CLOSED) {
          source.close()
          clearTimeout(again)
          again = setTimeout(connect, 1000)
        }
      }
    }
    if (wait) again = setTimeout(connect, wait)
    else connect()
    return () => {
      clearTimeout(again)
      source?.close()
    }
  }, [search, off])
  return off ? 'away' : state
}
