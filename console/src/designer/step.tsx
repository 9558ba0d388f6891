import { X } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { exact } from '../api/client.ts'
import { CredentialDialog } from '../credentials/dialog.tsx'
import { useCredentials } from '../credentials/queries.ts'
import type { Wrong } from '../flow/check.ts'
import type { Step } from '../flow/document.ts'
import { setAt, setStep } from '../flow/edit.ts'
import type { Json } from '../flow/exact.ts'
import { TRIGGER } from '../flow/graph.ts'
import { PayloadTree } from '../payload/tree.tsx'
import { Button, IconButton } from '../ui/button.tsx'
import { Select, TextArea, TextField } from '../ui/field.tsx'
import { tellError } from '../ui/toast.tsx'
import { type Connector, connectorOf, findComponent } from './components.ts'
import type { Draft } from './draft.ts'
import { ComponentIcon } from './icons.tsx'
import { Mapping } from './mapping.tsx'
import { TriggerSample } from './sample.tsx'
import { StepSettings, TriggerInput, TriggerSettings } from './settings.tsx'

type Stage = 'credential' | 'input' | 'sample' | 'summary' | 'settings'

const names: Record<Stage, string> = {
  credential: 'Credential',
  input: 'Mapping',
  sample: 'Sample',
  summary: 'Summary',
  settings: 'Settings',
}

/** Sets a step up: credential, mapping, sample, summary. */
export function StepPanel(p: {
  draft: Draft
  at: string
  connectors: Connector[]
  wrong: Wrong[]
  onFinish: () => void
  onClose: () => void
}) {
  const { draft, at, connectors, wrong, onFinish, onClose } = p
  const doc = draft.doc
  const trigger = at === TRIGGER
  const step: Step = trigger ? { ...doc.trigger, id: TRIGGER } : doc.steps.find(s => s.id === at)!
  const connector = connectors.find(c => c.name === connectorOf(step.uses))
  const component = findComponent(connectors, step.uses)
  const webhook = step.uses === 'webhook/receive'
  // Settings are no stage on the way: whoever needs them goes there.
  const stages = (['credential', 'input', 'sample', 'summary'] as Stage[]).filter(
    s => !(s === 'input' && webhook) && !(s === 'credential' && !connector?.credentials.length),
  )
  const [stage, setStage] = useState<Stage>(() =>
    !draft.get().open.includes(at) ? 'summary' : step.when === '=' ? 'settings' : stages[0]!,
  )
  const go = (to: Stage) => {
    if (to === 'summary') draft.finish(at)
    setStage(to)
  }
  const next = () => go(stages[stages.indexOf(stage) + 1] ?? 'summary')
  const mine = wrong.filter(w => w.at === at)
  const faulty = (s: Stage) =>
    mine.some(w =>
      s === 'settings' ? w.setting !== undefined : w.setting === undefined && s === (w.field === 'credential' ? 'credential' : 'input'),
    )

  // Each stage begins at its first control.
  const body = useRef<HTMLDivElement>(null)
  const shown = useRef(stage)
  useEffect(() => {
    if (shown.current === stage) return
    shown.current = stage
    const to = body.current?.querySelector<HTMLElement>(':is(input, select, textarea, button):not(:disabled)')
    if (!body.current?.contains(document.activeElement)) to?.focus()
    body.current?.scrollTo(0, 0)
  }, [stage])

  return (
    <>
      <header className="flex shrink-0 items-center gap-3 px-5 pt-4 pb-3">
        <ComponentIcon uses={step.uses} title={connector?.title} />
        <div className="min-w-0 flex-1">
          <h2 className="truncate font-semibold text-base leading-tight">{step.name || component?.title || step.uses}</h2>
          <p className="truncate text-[0.8125rem] text-ink-3">
            {connector?.title}
            {component && component.title !== connector?.title && ` · ${component.title}`}
            {!trigger && (
              <>
                {' · '}
                <code>{step.id}</code>
              </>
            )}
          </p>
        </div>
        <IconButton label="Close the step" keys="Esc" onClick={onClose} className="-mr-2 self-start">
          <X aria-hidden className="size-4" />
        </IconButton>
      </header>
      <nav aria-label="Stages" className="flex shrink-0 gap-1 overflow-x-auto border-b border-line px-4">
        {[...stages, 'settings' as const].map(s => (
          <button
            key={s}
            type="button"
            aria-current={s === stage ? 'step' : undefined}
            onClick={() => go(s)}
            className={`-mb-px flex h-10 shrink-0 items-center gap-1.5 border-b-2 px-2 ${s === stage ? 'border-accent font-medium text-accent-ink' : 'border-transparent text-ink-2 hover:text-ink'}`}
          >
            {s === 'input' && trigger ? 'Trigger' : names[s]}
            {faulty(s) && <span aria-hidden className="size-1.5 rounded-full bg-bad" />}
            {faulty(s) && <span className="sr-only">, not right yet</span>}
          </button>
        ))}
      </nav>
      <div ref={body} data-stage={stage} className="flex min-h-0 flex-1 flex-col gap-4 overflow-y-auto p-5">
        {stage === 'credential' && (
          <CredentialStage draft={draft} step={step} connector={connector} needed={component?.needsCredential ?? false} next={next} />
        )}
        {stage === 'input' && trigger && (
          <>
            <TriggerInput draft={draft} wrong={wrong} connectors={connectors} />
            <div>
              <Button look="primary" disabled={mine.some(w => w.field !== undefined)} onClick={next}>
                Continue
              </Button>
            </div>
          </>
        )}
        {stage === 'input' && !trigger && (
          <>
            <ActionSelect draft={draft} step={step} connector={connector} />
            <Mapping draft={draft} step={step} connectors={connectors} wrong={wrong} next={next} />
          </>
        )}
        {stage === 'sample' &&
          (trigger ? (
            <TriggerSample draft={draft} sample={step.sample} next={next} />
          ) : (
            <Retrieve draft={draft} step={step} effect={component?.effect} next={next} />
          ))}
        {stage === 'settings' &&
          (trigger ? (
            <TriggerSettings draft={draft} wrong={wrong} connectors={connectors} />
          ) : (
            <StepSettings draft={draft} step={step} wrong={wrong} connectors={connectors} />
          ))}
        {stage === 'summary' && (
          <>
            <TextField
              label="Step name"
              value={step.name ?? ''}
              placeholder={component?.title}
              onChange={e => draft.edit('Rename', setAt(at, 'name', e.target.value), true)}
            />
            <TextArea
              label="Note"
              value={step.note ?? ''}
              rows={3}
              onChange={e => draft.edit('Note', setAt(at, 'note', e.target.value), true)}
            />
            <div>
              <Button
                look="primary"
                onClick={() => {
                  draft.finish(at)
                  onFinish()
                }}
              >
                Finish step
              </Button>
            </div>
          </>
        )}
      </div>
    </>
  )
}

/** Which of its connector's actions the step is. */
function ActionSelect({ draft, step, connector }: { draft: Draft; step: Step; connector?: Connector }) {
  const actions = connector?.components.filter(c => !c.trigger) ?? []
  if (actions.length < 2) return null
  return (
    <Select
      label="Action"
      hint={actions.find(c => c.name === step.uses)?.summary}
      value={step.uses}
      onChange={e => draft.edit('Change action', setStep(step.id, 'uses', e.target.value))}
    >
      {actions.map(c => (
        <option key={c.name} value={c.name}>
          {c.title}
        </option>
      ))}
    </Select>
  )
}

function CredentialStage({
  draft,
  step,
  connector,
  needed,
  next,
}: {
  draft: Draft
  step: Step
  connector?: Connector
  needed: boolean
  next: () => void
}) {
  const [dialog, setDialog] = useState(false)
  const credentials = useCredentials()
  const mine = credentials.data?.filter(c => c.uses === connector?.name) ?? []
  return (
    <>
      {step.id !== TRIGGER && <ActionSelect draft={draft} step={step} connector={connector} />}
      <Select
        label="Credential"
        value={step.credential ?? ''}
        hint={
          step.id === TRIGGER
            ? 'How senders prove who they are. Without one, whoever knows the URL can send.'
            : `How ${connector?.title ?? 'the system'} knows who asks.`
        }
        onChange={e => draft.edit('Choose credential', setAt(step.id, 'credential', e.target.value || undefined))}
      >
        <option value="">{needed ? 'Choose one' : 'None'}</option>
        {mine.map(c => (
          <option key={c.id} value={c.id}>
            {c.name || c.id}
          </option>
        ))}
      </Select>
      <div className="flex flex-wrap gap-2">
        <Button onClick={() => setDialog(true)}>Create new credentials</Button>
        <Button look="primary" disabled={needed && !step.credential} onClick={next}>
          Continue
        </Button>
      </div>
      {dialog && connector && (
        <CredentialDialog
          uses={connector.name}
          onClose={() => setDialog(false)}
          onDone={c => {
            draft.edit('Choose credential', setAt(step.id, 'credential', c.id))
            setDialog(false)
            next()
          }}
        />
      )}
    </>
  )
}

function Retrieve({ draft, step, effect, next }: { draft: Draft; step: Step; effect?: string; next: () => void }) {
  const [busy, setBusy] = useState(false)
  const buttons = useRef<HTMLDivElement>(null)
  const run = async () => {
    setBusy(true)
    try {
      await draft.save()
      const { data } = await exact<{ output?: Json; error?: { message: string } }>('POST', '/try', {
        body: { flow: draft.get().flow?.id, step: step.id },
      })
      if (data.error) throw new Error(data.error.message)
      draft.edit('Sample', setStep(step.id, 'sample', data.output ?? null))
    } catch (e) {
      tellError(e)
    }
    setBusy(false)
    requestAnimationFrame(() => buttons.current?.querySelector<HTMLButtonElement>('button:last-child')?.focus())
  }
  return (
    <>
      <p className="text-ink-2">
        This really runs the step once with the sample
        {effect === 'pure' ? '; it changes nothing elsewhere.' : ', and may change something in the other system.'}
      </p>
      <div className="flex gap-2" ref={buttons}>
        <Button look={step.sample === undefined ? 'primary' : 'plain'} busy={busy} onClick={() => void run()}>
          Retrieve sample
        </Button>
        {step.sample === undefined ? (
          <Button look="quiet" onClick={next}>
            Skip
          </Button>
        ) : (
          <Button look="primary" onClick={next}>
            Continue
          </Button>
        )}
      </div>
      {step.sample !== undefined && <PayloadTree value={step.sample} name="Sample" />}
    </>
  )
}
