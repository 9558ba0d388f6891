import { useQuery } from '@tanstack/react-query'
import { exact } from '../api/client.ts'
import { useOpened } from '../designer/open.ts'
import { Card, Empty, Loading, Problem } from '../ui/page.tsx'
import { ago } from '../ui/time.ts'

interface Version {
  version: number
  publishedAt: string
}

/** What was published of the flow, the newest first. */
export function VersionList() {
  const { flow } = useOpened()
  const versions = useQuery({
    queryKey: ['versions', flow?.id, flow?.version],
    queryFn: async ({ signal }) =>
      (await exact<{ items: Version[] }>('GET', `/flows/${encodeURIComponent(flow!.id)}/versions`, { signal })).data.items,
    enabled: flow !== null,
  })
  return (
    <div className="mx-auto w-full max-w-3xl p-4">
      {versions.isPending ? (
        <Loading />
      ) : versions.isError ? (
        <Problem error={versions.error} retry={() => void versions.refetch()} />
      ) : versions.data.length === 0 ? (
        <Empty title="Nothing is published yet">Publish the draft, and its first version stands here.</Empty>
      ) : (
        <Card>
          <ul className="divide-y divide-line">
            {versions.data.map(v => (
              <li key={v.version} className="flex justify-between px-4 py-3">
                <span className="font-medium">Version {v.version}</span>
                <time dateTime={v.publishedAt} className="text-ink-3">
                  {ago(v.publishedAt)}
                </time>
              </li>
            ))}
          </ul>
        </Card>
      )}
    </div>
  )
}
