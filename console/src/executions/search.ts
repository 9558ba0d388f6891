import { useRouter, useRouterState } from '@tanstack/react-router'
import { useCallback, useMemo } from 'react'
import { decode, encode, type Filters } from './filters.ts'

/** The filters in the address, and a way to change them. */
export function useFilters(path: string): [Filters, (change: Partial<Filters>) => void] {
  const search = useRouterState({ select: s => s.location.searchStr })
  const router = useRouter()
  const filters = useMemo(() => decode(search), [search])
  const set = useCallback(
    (change: Partial<Filters>) => router.history.replace(path + encode({ ...decode(router.state.location.searchStr), ...change })),
    [router, path],
  )
  return [filters, set]
}
