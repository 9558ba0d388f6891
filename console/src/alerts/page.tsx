import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import {
  Bell,
  BellOff,
  BellRing,
  CheckCircle2,
  Hash,
  Mail,
  MoreHorizontal,
  PencilLine,
  Play,
  Plus,
  Trash2,
  UserCheck,
  Webhook,
} from 'lucide-react'
import { type ComponentType, useState } from 'react'
import { exact } from '../api/client.ts'
import { savedQueries } from '../sql/saved.tsx'
import { Button, IconButton } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Menu } from '../ui/menu.tsx'
import { Card, Empty, Loading, Page, Problem } from '../ui/page.tsx'
import { ago } from '../ui/time.ts'
import { tell, tellError } from '../ui/toast.tsx'
import { AlertDialog } from './dialog.tsx'
import { type Alert, type AlertState, alertsQuery, type Destination, everyInWords, ruleOf } from './queries.ts'

interface Face {
  label: string
  colour: string
  icon: ComponentType<{ className?: string }>
}

const faces: Record<AlertState | 'off', Face> = {
  open: { label: 'Open', colour: 'bg-bad-soft text-bad', icon: BellRing },
  acknowledged: { label: 'Acknowledged', colour: 'bg-warn-soft text-warn', icon: UserCheck },
  resolved: { label: 'Resolved', colour: 'bg-info-soft text-info', icon: CheckCircle2 },
  ok: { label: 'OK', colour: 'bg-good-soft text-good', icon: CheckCircle2 },
  off: { label: 'Off', colour: 'bg-calm-soft text-calm', icon: BellOff },
}
const order: (AlertState | 'off')[] = ['open', 'acknowledged', 'resolved', 'ok', 'off']
const stateOf = (a: Alert) => (a.disabled ? 'off' : a.state)

const channels: Record<Destination['type'], { label: string; icon: ComponentType<{ className?: string }> }> = {
  webhook: { label: 'Webhook', icon: Webhook },
  slack: { label: 'Slack', icon: Hash },
  email: { label: 'E-mail', icon: Mail },
}

/** Rules over saved queries: how each stands, and who is told. */
export function AlertsPage() {
  const alerts = useQuery(alertsQuery)
  const queries = useQuery(savedQueries)
  const client = useQueryClient()
  const navigate = useNavigate()
  const wanted = (useSearch({ strict: false }) as { new?: string }).new
  const [editing, setEditing] = useState<Alert | 'new' | undefined>(wanted === undefined ? undefined : 'new')
  const [removing, setRemoving] = useState<Alert>()
  const close = () => {
    setEditing(undefined)
    if (wanted !== undefined) void navigate({ to: '/alerts' as never, replace: true })
  }
  const list = [...(alerts.data ?? [])].sort((a, b) => order.indexOf(stateOf(a)) - order.indexOf(stateOf(b)))
  const open = list.filter(a => stateOf(a) === 'open').length
  const again = () => client.invalidateQueries({ queryKey: ['alerts'] })
  const act = async (what: () => Promise<unknown>, said: string) => {
    try {
      await what()
      tell(said)
    } catch (e) {
      tellError(e)
    }
    void again()
  }
  const post = (a: Alert, name: 'acknowledge' | 'resolve') => exact('POST', `/alerts/${encodeURIComponent(a.id)}/${name}`)
  const put = (a: Alert, disabled: boolean) => exact('PUT', `/alerts/${encodeURIComponent(a.id)}`, { body: { ...ruleOf(a), disabled } })
  return (
    <Page
      title="Alerts"
      about="Be told when the value of a saved query passes a threshold: by webhook, Slack or e-mail."
      actions={
        list.length > 0 && (
          <Button look="primary" icon={<Plus aria-hidden className="size-4" />} onClick={() => setEditing('new')}>
            New alert
          </Button>
        )
      }
    >
      {alerts.isPending ? (
        <Loading />
      ) : alerts.isError ? (
        <Problem error={alerts.error} retry={() => void alerts.refetch()} />
      ) : list.length === 0 ? (
        <Empty
          icon={<Bell />}
          title="Nobody is told of anything yet"
          action={
            <Button look="primary" icon={<Plus aria-hidden className="size-4" />} onClick={() => setEditing('new')}>
              New alert
            </Button>
          }
        >
          An alert asks a saved query as often as you say, such as how many executions failed in the last five minutes.
        </Empty>
      ) : (
        <>
          {open > 0 && (
            <p role="status" className="flex items-center gap-2 font-medium text-bad">
              <BellRing aria-hidden className="size-4" /> {open} {open === 1 ? 'alert is open' : 'alerts are open'}
            </p>
          )}
          <ul className="flex flex-col gap-3">
            {list.map(a => {
              const face = faces[stateOf(a)]
              const channel = channels[a.destination.type]
              const query = queries.data?.find(q => q.id === a.query)
              const name = a.name || query?.name || a.id
              return (
                <li key={a.id}>
                  <Card className={`flex flex-wrap items-start gap-x-4 gap-y-3 p-4 ${stateOf(a) === 'open' ? '!border-bad/50' : ''}`}>
                    <span className={`flex size-10 shrink-0 items-center justify-center rounded-xl ${face.colour}`}>
                      <face.icon aria-hidden className="size-5" />
                    </span>
                    <div className="min-w-0 flex-1 basis-64">
                      <p className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
                        <span className="truncate font-medium">{name}</span>
                        <span className={`rounded-full px-2 py-px font-medium text-xs ${face.colour}`}>{face.label}</span>
                        <span className="text-ink-3 text-xs">since {ago(a.stateAt)}</span>
                      </p>
                      <p className="mt-0.5 text-ink-2">
                        <Link
                          to={`/sql?saved=${encodeURIComponent(a.query)}` as never}
                          className="text-accent-ink underline decoration-accent-ink/40 underline-offset-2 hover:decoration-current"
                        >
                          {query?.name ?? a.query}
                        </Link>{' '}
                        <span className="font-mono text-[0.8125rem]">
                          {a.when} {a.threshold}
                        </span>
                        , asked every {everyInWords(a.every)}
                      </p>
                      <p className="mt-1 flex flex-wrap items-center gap-x-3 gap-y-1 text-[0.8125rem] text-ink-3">
                        <span className="inline-flex min-w-0 items-center gap-1.5">
                          <channel.icon aria-hidden className="size-3.5 shrink-0" />
                          <span className="truncate">
                            {channel.label} ·{' '}
                            {a.destination.type === 'email' ? a.destination.to?.join(', ') : a.destination.url?.replace(/^https?:\/\//, '')}
                          </span>
                        </span>
                        {a.opening > 0 && a.openedAt && (
                          <span>
                            last opened {ago(a.openedAt)} at <strong className="font-medium text-ink-2">{a.value}</strong>
                            {a.notifiedAt ? `, told ${ago(a.notifiedAt)}` : ''}
                          </span>
                        )}
                      </p>
                      {a.failure && (
                        <p className="mt-2 rounded-lg bg-bad-soft px-3 py-1.5 text-[0.8125rem] text-bad">
                          Not told yet: {a.failure}. It is tried again.
                        </p>
                      )}
                      {a.note && <p className="mt-1 text-[0.8125rem] text-ink-2">{a.note}</p>}
                    </div>
                    <div className="flex items-center gap-2">
                      {!a.disabled && a.state === 'open' && (
                        <Button small look="primary" onClick={() => void act(() => post(a, 'acknowledge'), 'Acknowledged')}>
                          Acknowledge
                        </Button>
                      )}
                      {!a.disabled && (a.state === 'open' || a.state === 'acknowledged') && (
                        <Button small onClick={() => void act(() => post(a, 'resolve'), 'Resolved')}>
                          Resolve
                        </Button>
                      )}
                      <Menu
                        items={[
                          { label: 'Edit', icon: <PencilLine />, onSelect: () => setEditing(a) },
                          a.disabled
                            ? { label: 'Turn on', icon: <Play />, onSelect: () => void act(() => put(a, false), 'Turned on') }
                            : { label: 'Turn off', icon: <BellOff />, onSelect: () => void act(() => put(a, true), 'Turned off') },
                          'line',
                          { label: 'Delete', icon: <Trash2 />, danger: true, onSelect: () => setRemoving(a) },
                        ]}
                      >
                        <IconButton label={`What to do with ${name}`}>
                          <MoreHorizontal aria-hidden className="size-4" />
                        </IconButton>
                      </Menu>
                    </div>
                  </Card>
                </li>
              )
            })}
          </ul>
        </>
      )}
      {removing && (
        <Dialog
          title="Delete this alert?"
          onClose={() => setRemoving(undefined)}
          actions={
            <>
              <Button onClick={() => setRemoving(undefined)}>Cancel</Button>
              <Button
                look="danger"
                onClick={() => {
                  setRemoving(undefined)
                  void act(() => exact('DELETE', `/alerts/${encodeURIComponent(removing.id)}`), 'Alert deleted')
                }}
              >
                Delete {removing.name || 'alert'}
              </Button>
            </>
          }
        >
          <p className="text-ink-2">
            Nobody is told of it any more, and the address it tells is forgotten. Its query stays. To silence it for a while, turn it off.
          </p>
        </Dialog>
      )}
      {editing && (
        <AlertDialog
          alert={editing === 'new' ? undefined : editing}
          query={wanted}
          onClose={close}
          onDone={() => {
            close()
            void again()
            tell(editing === 'new' ? 'Alert made' : 'Alert saved')
          }}
        />
      )}
    </Page>
  )
}
