import { Link, useNavigate } from '@tanstack/react-router'
import { Plus, Workflow } from 'lucide-react'
import { Button } from '../ui/button.tsx'
import { Empty, Loading, Page, Problem } from '../ui/page.tsx'
import { FlowBadge } from '../ui/status.tsx'
import { useFlows } from './queries.ts'

export function FlowList() {
  const flows = useFlows()
  const navigate = useNavigate()
  const add = (
    <Button look="primary" icon={<Plus aria-hidden className="size-4" />} onClick={() => void navigate({ to: '/flows/new' as never })}>
      Add New Flow
    </Button>
  )
  return (
    <Page title="Flows" actions={add}>
      {flows.isPending ? (
        <Loading />
      ) : flows.isError ? (
        <Problem error={flows.error} retry={() => void flows.refetch()} />
      ) : flows.data.length === 0 ? (
        <Empty icon={<Workflow />} title="No flows yet" action={add}>
          A flow takes in webhooks and does something with each of them.
        </Empty>
      ) : (
        <ul>
          {flows.data.map(f => (
            <li key={f.id}>
              <Link to={`/flows/${f.id}` as never}>{f.name || f.id}</Link> <FlowBadge state={f.state} />
            </li>
          ))}
        </ul>
      )}
    </Page>
  )
}
