import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { exact } from '../api/client.ts'
import { TRIGGER } from '../flow/graph.ts'
import { useNews } from '../live/news.ts'
import type { Outcomes } from './faces.ts'

interface Counters {
  hooks: number
  steps: { step: string; executions: Record<string, number> }[]
}

/** How the steps of a flow did: in the newest execution, and how often each way in all. It follows what happens. */
export function useOutcomes(flow: string, published: boolean): Outcomes {
  const answer = useQuery({
    queryKey: ['outcomes', flow],
    enabled: published,
    staleTime: 1000,
    queryFn: async ({ signal }) => {
      const id = encodeURIComponent(flow)
      const [counters, newest] = await Promise.all([
        exact<Counters>('GET', `/flows/${id}/stats`, { signal }),
        exact<{ items: { id: string }[] }>('GET', `/executions?flow=${id}&limit=1`, { signal }),
      ])
      const last = newest.data.items[0]
      const steps = last
        ? (await exact<{ steps: { id: string; status: string }[] | null }>('GET', `/executions/${last.id}`, { signal })).data.steps
        : []
      return { counters: counters.data, steps: steps ?? [] }
    },
  })
  useNews({ flow }, [['outcomes', flow]], !published)
  return useMemo(() => {
    const out: Outcomes = new Map()
    if (!answer.data) return out
    const { counters, steps } = answer.data
    if (counters.hooks > 0) out.set(TRIGGER, { status: 'succeeded', succeeded: Number(counters.hooks), failed: 0 })
    for (const c of counters.steps)
      out.set(c.step, {
        status: steps.findLast(s => s.id === c.step)?.status ?? '',
        succeeded: Number(c.executions.succeeded ?? 0),
        failed: Number(c.executions.failed ?? 0),
      })
    return out
  }, [answer.data])
}
