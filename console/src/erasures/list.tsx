import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { Eraser, Plus } from 'lucide-react'
import { useCommands } from '../app/commands.ts'
import { useFlows } from '../flows/queries.ts'
import { Card, Empty, Loading, Page, Problem } from '../ui/page.tsx'
import { ago, fullTime, number } from '../ui/time.ts'
import { ErasureBadge } from './faces.tsx'
import { type Erasure, erasuresQuery } from './queries.ts'
import { progress } from './request.ts'

const NewErasure = () => (
  <Link
    to={'/erasures/new' as never}
    className="inline-flex h-9 items-center gap-1.5 rounded-lg bg-accent px-3.5 font-medium text-on-accent shadow-card hover:bg-accent-hover"
  >
    <Plus aria-hidden className="size-4" />
    New erasure
  </Link>
)

/** Whose data was erased, or is being erased; the newest first. */
export function ErasureList() {
  const erasures = useQuery(erasuresQuery)
  const flows = useFlows().data ?? []
  const navigate = useNavigate()
  useCommands([{ label: 'New erasure', also: 'erase person gdpr forget', run: () => void navigate({ to: '/erasures/new' as never }) }])
  return (
    <Page
      title="Erasures"
      about="A person’s data, erased from the history, large bodies, what is open, and Kafka’s readable past; with a certificate of what was erased and what is left."
      actions={<NewErasure />}
    >
      {erasures.isPending ? (
        <Loading />
      ) : erasures.isError ? (
        <Problem error={erasures.error} retry={() => void erasures.refetch()} />
      ) : erasures.data.length === 0 ? (
        <Empty icon={<Eraser />} title="Nobody’s data was erased yet" action={<NewErasure />}>
          Say where the person is named, such as <code>body.customer.email</code>, and by what. You see how much there is before anything
          happens. In a flow with <code>erasable: true</code> Kafka’s past is erased, too.
        </Empty>
      ) : (
        <Card className="overflow-x-auto">
          <table className="w-full text-left">
            <thead className="border-b border-line text-xs text-ink-3">
              <tr>
                <th className="px-4 py-2.5 font-medium">Requested</th>
                <th className="px-4 py-2.5 font-medium">State</th>
                <th className="hidden px-4 py-2.5 font-medium md:table-cell">Flow</th>
                <th className="hidden px-4 py-2.5 font-medium sm:table-cell">By</th>
                <th className="px-4 py-2.5 text-right font-medium">Executions</th>
              </tr>
            </thead>
            <tbody className="divide-y divide-line">
              {erasures.data.map(e => (
                <Row key={e.id} erasure={e} flow={e.flow ? flows.find(f => f.id === e.flow)?.name || e.flow : 'Any flow'} />
              ))}
            </tbody>
          </table>
        </Card>
      )}
    </Page>
  )
}

function Row({ erasure: e, flow }: { erasure: Erasure; flow: string }) {
  return (
    <tr className="hover:bg-hover">
      <td className="max-w-72 px-4 py-3">
        <Link to={`/erasures/${e.id}` as never} title={fullTime(e.createdAt)} className="font-medium hover:text-accent-ink hover:underline">
          {ago(e.createdAt)}
        </Link>
        {e.note && <span className="block truncate text-[0.8125rem] text-ink-3">{e.note}</span>}
      </td>
      <td className="px-4 py-3">
        <ErasureBadge state={e.state} />
        {e.state === 'running' && <span className="mt-1 block max-w-64 text-[0.8125rem] text-ink-3">{progress(e).doing}</span>}
      </td>
      <td className="hidden max-w-48 truncate px-4 py-3 text-ink-2 md:table-cell">{flow}</td>
      <td className="hidden max-w-40 truncate px-4 py-3 text-ink-2 sm:table-cell">{e.requestedBy || '–'}</td>
      <td className="px-4 py-3 text-right text-ink-2 tabular-nums">{number(e.total)}</td>
    </tr>
  )
}
