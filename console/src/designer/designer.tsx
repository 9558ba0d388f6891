import { useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { AlertTriangle, Plus, Redo2, Undo2, Zap } from 'lucide-react'
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import { useShortcut } from '../app/shortcuts.tsx'
import { TopBar } from '../app/topbar.tsx'
import { useCredentials } from '../credentials/queries.ts'
import { check } from '../flow/check.ts'
import { addStep, emptyFlow, freshID, removeStep } from '../flow/edit.ts'
import { TRIGGER } from '../flow/graph.ts'
import { Button, IconButton } from '../ui/button.tsx'
import { CopyButton } from '../ui/copy.tsx'
import { Card, Empty, Loading, Problem } from '../ui/page.tsx'
import { FlowBadge } from '../ui/status.tsx'
import { tell, tellError } from '../ui/toast.tsx'
import { Chooser } from './chooser.tsx'
import { findComponent, useConnectors } from './components.ts'
import { Draft } from './draft.ts'
import { DraftNotice } from './notice.tsx'
import { StepPanel } from './step.tsx'

export function Designer() {
  const { id } = useParams({ strict: false }) as { id?: string }
  const navigate = useNavigate()
  const [draft, setDraft] = useState<Draft | null>(null)
  const [error, setError] = useState<unknown>(null)
  useEffect(() => {
    if (!id) return
    Draft.load(id).then(setDraft, setError)
  }, [id])
  if (id && error) return <Problem error={error} />
  if (id && !draft) return <Loading />
  if (id && draft) return <Editing key={id} draft={draft} />
  return (
    <main id="main" className="mx-auto flex w-full max-w-2xl flex-col gap-4 p-6">
      <h1 className="font-semibold text-xl">New flow: what starts it?</h1>
      <Chooser
        trigger
        onChoose={async hit => {
          try {
            const d = Draft.fresh(emptyFlow('New flow', hit.component.name))
            await d.save()
            const s = d.get()
            if (s.saving.is === 'refused') throw s.saving.error
            if (!s.flow) throw new Error('The server does not answer: try again.')
            d.reopen(TRIGGER)
            void navigate({ to: `/flows/${s.flow.id}/edit` as never })
          } catch (e) {
            tellError(e)
          }
        }}
      />
    </main>
  )
}

const said = {
  new: 'New',
  saved: 'Saved',
  dirty: 'Saving…',
  saving: 'Saving…',
  away: 'The server is away',
  refused: 'Not saved',
  conflict: 'Conflict',
}

function Editing({ draft }: { draft: Draft }) {
  const { history, saving, flow, open } = useSyncExternalStore(draft.subscribe, draft.get)
  const doc = history.doc
  const connectors = useConnectors()
  const credentials = useCredentials()
  const queries = useQueryClient()
  const [at, setAt] = useState<string>(() => open[0] ?? '')
  const [busy, setBusy] = useState(false)
  useShortcut('mod+z', draft.undo, { label: 'Undo' })
  useShortcut('mod+y', draft.redo, { label: 'Redo' })
  useShortcut('mod+s', () => void draft.save().then(() => tell('Saved')), { label: 'Save now', typing: true })
  const wrong = useMemo(
    () =>
      check(doc, {
        component: n => {
          const c = findComponent(connectors.data, n)
          return c && { title: c.title, trigger: c.trigger, needsCredential: c.needsCredential, input: c.input ?? {} }
        },
        credential: c => credentials.data?.find(x => x.id === c)?.uses,
      }),
    [doc, connectors.data, credentials.data],
  )
  const known = connectors.data && credentials.data
  const unfinished = !known || wrong.length > 0 || open.length > 0 || doc.steps.length === 0
  const fresh = !flow?.version || flow.hasDraft || saving.is !== 'saved'
  const command = async (name: 'publish' | 'start' | 'stop') => {
    setBusy(true)
    try {
      await draft.command(name)
      void queries.invalidateQueries({ queryKey: ['flows'] })
      tell(name === 'publish' ? 'Published' : name === 'start' ? 'The flow is live' : 'Stopped')
    } catch (e) {
      tellError(e)
    }
    setBusy(false)
  }
  const steps = [{ ...doc.trigger, id: TRIGGER }, ...doc.steps]
  const curl = `curl -X POST ${flow?.hookUrl} -H 'Content-Type: application/json' -d '${JSON.stringify(doc.trigger.sample ?? {}).replaceAll("'", "'\\''")}'`
  return (
    <main id="main" className="flex min-h-full flex-col gap-4 p-4 lg:flex-row">
      <TopBar>
        <h1 className="truncate font-medium">{doc.name || flow?.id}</h1>
        {flow && <FlowBadge state={flow.state} />}
        <span role="status" className="mr-auto text-ink-3 text-xs">
          {said[saving.is]}
        </span>
        <IconButton label="Undo" keys="Ctrl+Z" disabled={history.at === 0} onClick={draft.undo}>
          <Undo2 aria-hidden className="size-4" />
        </IconButton>
        <IconButton label="Redo" keys="Ctrl+Y" disabled={history.at === history.done.length} onClick={draft.redo}>
          <Redo2 aria-hidden className="size-4" />
        </IconButton>
        {fresh && (
          <Button small look="primary" busy={busy} disabled={unfinished} onClick={() => void command('publish')}>
            Publish Draft
          </Button>
        )}
        {!fresh && flow?.state === 'stopped' && (
          <Button small look="primary" busy={busy} onClick={() => void command('start')}>
            Start
          </Button>
        )}
        {flow?.state === 'running' && (
          <Button small busy={busy} onClick={() => void command('stop')}>
            Stop
          </Button>
        )}
      </TopBar>
      <section aria-label="Steps" className="flex shrink-0 flex-col gap-3 lg:w-80">
        <DraftNotice draft={draft} />
        {steps.map(s => {
          const faults = wrong.filter(w => w.at === s.id)
          return (
            <button
              key={s.id}
              type="button"
              aria-current={at === s.id}
              onClick={() => setAt(s.id)}
              onKeyDown={e => {
                if (e.key !== 'Delete' || s.id === TRIGGER) return
                draft.edit('Remove step', removeStep(s.id))
                tell('Step removed', { label: 'Undo', run: draft.undo })
              }}
              className={`flex items-center gap-3 rounded-xl border bg-surface p-3.5 text-left shadow-card hover:bg-hover ${at === s.id ? 'border-accent' : 'border-line'}`}
            >
              <span className="flex size-9 items-center justify-center rounded-lg bg-accent-soft text-accent-ink">
                <Zap aria-hidden className="size-4" />
              </span>
              <span className="min-w-0 flex-1">
                <span className="block truncate font-medium">{s.name || findComponent(connectors.data, s.uses)?.title || s.uses}</span>
                <span className="block truncate text-ink-3 text-xs">{open.includes(s.id) ? 'Not finished' : s.uses}</span>
              </span>
              {known && faults.length > 0 && (
                <span title={faults.map(f => f.message).join('\n')} className="text-bad">
                  <AlertTriangle aria-hidden className="size-4" />
                  <span className="sr-only">{faults.map(f => f.message).join('; ')}</span>
                </span>
              )}
            </button>
          )
        })}
        <Button icon={<Plus aria-hidden className="size-4" />} onClick={() => setAt('/add')}>
          Add step
        </Button>
        {flow?.state === 'running' && (
          <Card className="flex flex-col gap-2 p-4">
            <h2 className="font-semibold">The flow is live</h2>
            <code className="break-all">{flow.hookUrl}</code>
            <CopyButton text={flow.hookUrl} name="URL" label="Copy URL" />
            <CopyButton text={curl} name="curl command" label="Copy as curl" />
            <Link to={`/executions?flow=${flow.id}` as never} className="text-accent-ink underline">
              Watch its executions
            </Link>
          </Card>
        )}
      </section>
      <Card className="min-w-0 flex-1 p-5">
        {at === '/add' ? (
          <Chooser
            onChoose={hit => {
              const id = freshID(doc, hit.component.name.split('/')[1]!)
              draft.edit('Add step', addStep({ id, uses: hit.component.name }, { after: doc.steps.at(-1)?.id ?? TRIGGER }))
              draft.reopen(id)
              setAt(id)
            }}
          />
        ) : steps.some(s => s.id === at) && connectors.data ? (
          <StepPanel key={at} draft={draft} at={at} connectors={connectors.data} wrong={wrong} onFinish={() => setAt('/add')} />
        ) : (
          <Empty title="Choose a step">Choose one on the left to change it, or add another.</Empty>
        )}
      </Card>
    </main>
  )
}
