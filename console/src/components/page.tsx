import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Boxes, Search, Trash2, Upload, Zap } from 'lucide-react'
import { useMemo, useState } from 'react'
import { exact } from '../api/client.ts'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { Card, Empty, Loading, Page, Problem } from '../ui/page.tsx'
import { Badge, type Tone } from '../ui/status.tsx'
import { tell, tellError } from '../ui/toast.tsx'
import { ImportDialog } from './import.tsx'
import { type Component, type Connector, type Effect, useConnectors } from './queries.ts'

/** What a step may do to another system, and so what a crash in its middle can mean. */
const effects: Record<Effect, { label: string; tone: Tone; title: string }> = {
  pure: { label: 'No effect', tone: 'calm', title: 'Touches nothing outside' },
  idempotent: { label: 'Idempotent', tone: 'good', title: 'May be repeated without changing more' },
  keyed: { label: 'Keyed', tone: 'info', title: 'The target honours the idempotency key: a repeat is no second effect' },
  neither: {
    label: 'Repeats count',
    tone: 'warn',
    title: 'A repeat after a crash is a second effect, unless the step says what a crash means',
  },
}

export function ComponentsPage() {
  const connectors = useConnectors()
  const [words, setWords] = useState('')
  const [importing, setImporting] = useState(false)
  const [removing, setRemoving] = useState<Connector>()
  const found = useMemo(() => search(connectors.data ?? [], words), [connectors.data, words])
  const add = (
    <Button look="primary" icon={<Upload aria-hidden className="size-4" />} onClick={() => setImporting(true)}>
      Import OpenAPI
    </Button>
  )
  return (
    <Page
      title="Components"
      about="What a flow can begin with and what it can do. Any service with an OpenAPI document becomes a connector by importing it."
      actions={add}
    >
      <div className="relative max-w-md">
        <Search aria-hidden className="pointer-events-none absolute top-2.5 left-3 size-4 text-ink-3" />
        <TextField
          label="Search components"
          hideLabel
          type="search"
          placeholder="Search connectors and components"
          value={words}
          onChange={e => setWords(e.target.value)}
          className="pl-9"
        />
      </div>
      {connectors.isPending ? (
        <Loading />
      ) : connectors.isError ? (
        <Problem error={connectors.error} retry={() => void connectors.refetch()} />
      ) : found.length === 0 ? (
        <Empty icon={<Boxes />} title={`Nothing is called “${words}”`} action={add}>
          Another word may find it, or import the service’s OpenAPI document.
        </Empty>
      ) : (
        <ul className="grid gap-4 md:grid-cols-2">
          {found.map(c => (
            <li key={c.name}>
              <ConnectorCard connector={c} open={words !== ''} onRemove={c.imported ? () => setRemoving(c) : undefined} />
            </li>
          ))}
        </ul>
      )}
      {importing && <ImportDialog onClose={() => setImporting(false)} />}
      {removing && <RemoveDialog connector={removing} onClose={() => setRemoving(undefined)} />}
    </Page>
  )
}

/** The connectors with a word in them or in one of their components; of those, only the components that have it. */
function search(all: Connector[], words: string): Connector[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean)
  if (wanted.length === 0) return all
  const has = (...texts: (string | undefined)[]) => wanted.every(w => texts.some(t => t?.toLowerCase().includes(w)))
  return all.flatMap(c => {
    if (has(c.name, c.title)) return [c]
    const components = c.components.filter(m => has(m.name, m.title, m.summary, c.title))
    return components.length > 0 ? [{ ...c, components }] : []
  })
}

const few = 4

function ConnectorCard({ connector: c, open, onRemove }: { connector: Connector; open: boolean; onRemove?: () => void }) {
  const [all, setAll] = useState(false)
  const shown = all || open ? c.components.slice(0, 200) : c.components.slice(0, few)
  const more = c.components.length - shown.length
  return (
    <Card className="flex h-full flex-col p-5">
      <header className="flex items-start gap-3">
        <span
          aria-hidden
          className="flex size-9 shrink-0 items-center justify-center rounded-xl bg-accent-soft font-semibold text-accent-ink uppercase"
        >
          {c.title[0]}
        </span>
        <div className="min-w-0 flex-1">
          <h2 className="truncate font-semibold">{c.title}</h2>
          {c.summary && <p className="line-clamp-2 text-[0.8125rem] text-ink-3">{c.summary}</p>}
        </div>
        {c.imported && <Badge tone="violet">Imported</Badge>}
        {onRemove && (
          <Button
            small
            look="quiet"
            aria-label={`Remove ${c.title}`}
            onClick={onRemove}
            icon={<Trash2 aria-hidden className="size-3.5" />}
          />
        )}
      </header>
      <ul className="mt-4 flex flex-col divide-y divide-line">
        {shown.map(m => (
          <Row key={m.name} component={m} />
        ))}
      </ul>
      <footer className="mt-auto flex flex-wrap items-center gap-x-3 gap-y-1 pt-3 text-[0.8125rem] text-ink-3">
        {more > 0 && !open && (
          <button type="button" className="font-medium text-accent-ink hover:underline" onClick={() => setAll(true)}>
            {more.toLocaleString('en')} more
          </button>
        )}
        {c.credentials.length > 0 && (
          <span className="truncate">
            Credentials:{' '}
            {c.credentials
              .slice(0, 6)
              .map(t => t.title)
              .join(', ')}
            {c.credentials.length > 6 && ` and ${c.credentials.length - 6} more`}
          </span>
        )}
      </footer>
    </Card>
  )
}

function Row({ component: m }: { component: Component }) {
  const effect = effects[m.effect]
  return (
    <li className="flex items-center gap-3 py-2">
      <div className="min-w-0 flex-1">
        <p className="truncate">
          {m.title} <code className="text-ink-3">{m.name}</code>
        </p>
        {m.summary && <p className="truncate text-[0.8125rem] text-ink-3">{m.summary}</p>}
      </div>
      {m.trigger ? (
        <Badge tone="violet" icon={Zap}>
          Trigger
        </Badge>
      ) : (
        <span title={effect.title}>
          <Badge tone={effect.tone}>{effect.label}</Badge>
        </span>
      )}
    </li>
  )
}

function RemoveDialog({ connector, onClose }: { connector: Connector; onClose: () => void }) {
  const [name, setName] = useState('')
  const client = useQueryClient()
  const remove = useMutation({
    mutationFn: () => exact('DELETE', `/components/import/${encodeURIComponent(connector.name)}`),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['connectors'] })
      tell(`${connector.title} is removed`)
      onClose()
    },
    onError: tellError,
  })
  return (
    <Dialog
      title={`Remove ${connector.title}?`}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Keep it</Button>
          <Button look="danger" disabled={name !== connector.name} busy={remove.isPending} onClick={() => remove.mutate()}>
            Remove
          </Button>
        </>
      }
    >
      <p className="mb-4 text-ink-2">
        Its {connector.components.length} actions are gone for new flows. It stays while a flow or a credential uses it; importing the
        document again brings it back.
      </p>
      <TextField label={`Type ${connector.name} to confirm`} value={name} onChange={e => setName(e.target.value)} autoFocus />
    </Dialog>
  )
}
