import { Link, useNavigate } from '@tanstack/react-router'
import { Copy, MoreHorizontal, Pencil, Plus, ScrollText, Trash2, Workflow } from 'lucide-react'
import { useState } from 'react'
import { Button, IconButton } from '../ui/button.tsx'
import { copyText } from '../ui/copy.tsx'
import { Menu, type MenuItem } from '../ui/menu.tsx'
import { Card, Empty, Loading, Page, Problem } from '../ui/page.tsx'
import { Badge, FlowBadge } from '../ui/status.tsx'
import { tell } from '../ui/toast.tsx'
import { commands, useCommand } from './commands.tsx'
import { DeleteDialog } from './delete.tsx'
import { type Flow, useFlows } from './queries.ts'

export function FlowList() {
  const flows = useFlows()
  const navigate = useNavigate()
  const [deleting, setDeleting] = useState<Flow>()
  const add = (
    <Button look="primary" icon={<Plus aria-hidden className="size-4" />} onClick={() => void navigate({ to: '/flows/new' as never })}>
      Add New Flow
    </Button>
  )
  return (
    <Page title="Flows" about="Each takes in hooks at its own URL and runs its steps for every one of them." actions={add}>
      {flows.isPending ? (
        <Loading />
      ) : flows.isError ? (
        <Problem error={flows.error} retry={() => void flows.refetch()} />
      ) : flows.data.length === 0 ? (
        <Empty icon={<Workflow />} title="No flows yet" action={add}>
          A flow takes in webhooks and does something with each of them.
        </Empty>
      ) : (
        <Card>
          <ul className="divide-y divide-line">
            {flows.data.map(f => (
              <Row key={f.id} flow={f} onDelete={() => setDeleting(f)} />
            ))}
          </ul>
        </Card>
      )}
      {deleting && <DeleteDialog flow={deleting} onClose={() => setDeleting(undefined)} />}
    </Page>
  )
}

function Row({ flow: f, onDelete }: { flow: Flow; onDelete: () => void }) {
  const navigate = useNavigate()
  const name = f.name || f.id
  const say = useCommand(f)
  const items: (MenuItem | 'line')[] = [
    ...(f.version > 0 ? commands[f.state].map(c => ({ label: c.label, icon: c.icon, onSelect: () => void say(c.command) })) : []),
    {
      label: 'Edit',
      icon: <Pencil />,
      onSelect: () => void navigate({ to: `/flows/${encodeURIComponent(f.id)}/edit` as never }),
    },
    { label: 'Copy URL', icon: <Copy />, onSelect: () => void copyText(f.hookUrl).then(() => tell('URL copied')) },
    {
      label: 'Run log',
      icon: <ScrollText />,
      onSelect: () => void navigate({ to: `/executions?flow=${encodeURIComponent(f.id)}` as never }),
    },
    'line',
    { label: 'Delete', icon: <Trash2 />, danger: true, onSelect: onDelete },
  ]
  return (
    <li className="flex items-center gap-4 px-4 py-3.5 hover:bg-hover sm:px-5">
      <span aria-hidden className="flex size-9 shrink-0 items-center justify-center rounded-xl bg-accent-soft text-accent-ink">
        <Workflow className="size-4" />
      </span>
      <div className="min-w-0 flex-1">
        <Link to={`/flows/${encodeURIComponent(f.id)}` as never} className="block truncate font-medium hover:underline">
          {name}
        </Link>
        <p className="truncate text-[0.8125rem] text-ink-3">
          {f.version > 0 ? `Version ${f.version}` : 'Never published'} · {f.steps} {f.steps === 1 ? 'step' : 'steps'} ·{' '}
          <code className="hidden sm:inline">{f.hookUrl}</code>
        </p>
      </div>
      {f.hasDraft && <Badge tone="violet">Draft</Badge>}
      <FlowBadge state={f.state} />
      <Menu items={items}>
        <IconButton label={`What to do with ${name}`}>
          <MoreHorizontal aria-hidden className="size-4" />
        </IconButton>
      </Menu>
    </li>
  )
}
