import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { History, Plus } from 'lucide-react'
import { useFlows } from '../flows/queries.ts'
import { Card, Empty, Loading, Page, Problem } from '../ui/page.tsx'
import { Badge } from '../ui/status.tsx'
import { ago, fullTime, number } from '../ui/time.ts'
import { ReplayBadge } from './faces.tsx'
import { type Replay, replaysQuery } from './queries.ts'
import { inWords } from './request.ts'

const NewReplay = () => (
  <Link
    to={'/replays/new' as never}
    className="inline-flex h-9 items-center gap-1.5 rounded-lg bg-accent px-3.5 font-medium text-on-accent shadow-card hover:bg-accent-hover"
  >
    <Plus aria-hidden className="size-4" />
    New replay
  </Link>
)

/** Replays and dry runs, the newest first. */
export function ReplayList() {
  const replays = useQuery(replaysQuery)
  const flows = useFlows().data ?? []
  const nameOf = (id?: string) => (id ? flows.find(f => f.id === id)?.name || id : 'Any flow')
  return (
    <Page
      title="Replays"
      about="Recorded hooks, run again beside the live ones; or a dry run on a draft, which says what would be otherwise and lets nothing go out."
      actions={<NewReplay />}
    >
      {replays.isPending ? (
        <Loading />
      ) : replays.isError ? (
        <Problem error={replays.error} retry={() => void replays.refetch()} />
      ) : replays.data.length === 0 ? (
        <Empty icon={<History />} title="Nothing was replayed yet" action={<NewReplay />}>
          Change a flow’s draft, then try the hooks of the last day against it: the report says which executions would end otherwise, and
          only those need to run again.
        </Empty>
      ) : (
        <Card className="overflow-x-auto">
          <table className="w-full text-left">
            <thead className="border-b border-line text-xs text-ink-3">
              <tr>
                <th className="px-4 py-2.5 font-medium">Flow</th>
                <th className="px-4 py-2.5 font-medium">State</th>
                <th className="hidden px-4 py-2.5 font-medium md:table-cell">Version</th>
                <th className="px-4 py-2.5 text-right font-medium">Hooks</th>
                <th className="hidden px-4 py-2.5 text-right font-medium sm:table-cell">Created</th>
              </tr>
            </thead>
            <tbody className="divide-y divide-line">
              {replays.data.map(r => (
                <Row key={r.id} replay={r} flow={nameOf(r.selection.flow)} />
              ))}
            </tbody>
          </table>
        </Card>
      )}
    </Page>
  )
}

function Row({ replay: r, flow }: { replay: Replay; flow: string }) {
  return (
    <tr className="hover:bg-hover">
      <td className="max-w-80 px-4 py-3">
        <span className="flex items-center gap-2">
          <Link to={`/replays/${r.id}` as never} className="truncate font-medium hover:text-accent-ink hover:underline">
            {flow}
          </Link>
          <Badge tone={r.dryRun ? 'violet' : 'calm'}>{r.dryRun ? 'Dry run' : 'Replay'}</Badge>
        </span>
        <span className="block truncate text-[0.8125rem] text-ink-3">{r.note || inWords(r.selection, ago)}</span>
      </td>
      <td className="px-4 py-3">
        <ReplayBadge state={r.state} />
      </td>
      <td className="hidden px-4 py-3 text-ink-2 md:table-cell">{r.version}</td>
      <td className="px-4 py-3 text-right text-ink-2 tabular-nums">{r.total === null ? '–' : number(r.total)}</td>
      <td className="hidden whitespace-nowrap px-4 py-3 text-right text-ink-2 sm:table-cell" title={fullTime(r.createdAt)}>
        {ago(r.createdAt)}
      </td>
    </tr>
  )
}
