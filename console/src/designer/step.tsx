import { useState } from 'react'
import { exact } from '../api/client.ts'
import { CredentialDialog } from '../credentials/dialog.tsx'
import { useCredentials } from '../credentials/queries.ts'
import type { Wrong } from '../flow/check.ts'
import type { Step } from '../flow/document.ts'
import { setAt, setStep } from '../flow/edit.ts'
import type { Json } from '../flow/exact.ts'
import { TRIGGER } from '../flow/graph.ts'
import { PayloadTree } from '../payload/tree.tsx'
import { Button } from '../ui/button.tsx'
import { Select, TextArea, TextField } from '../ui/field.tsx'
import { tellError } from '../ui/toast.tsx'
import { type Connector, connectorOf, findComponent } from './components.ts'
import type { Draft } from './draft.ts'
import { Mapping } from './mapping.tsx'
import { TriggerSample } from './sample.tsx'

type Stage = 'credential' | 'input' | 'sample' | 'summary'

/** Sets a step up: credential, mapping, sample, summary. */
export function StepPanel(p: { draft: Draft; at: string; connectors: Connector[]; wrong: Wrong[]; onFinish: () => void }) {
  const { draft, at, connectors, wrong, onFinish } = p
  const doc = draft.doc
  const trigger = at === TRIGGER
  const step: Step = trigger ? { ...doc.trigger, id: TRIGGER } : doc.steps.find(s => s.id === at)!
  const connector = connectors.find(c => c.name === connectorOf(step.uses))
  const component = findComponent(connectors, step.uses)
  const stages = (['credential', 'input', 'sample', 'summary'] as Stage[]).filter(
    s => !(s === 'input' && trigger) && !(s === 'credential' && !connector?.credentials.length),
  )
  const [stage, setStage] = useState<Stage>(() => (draft.get().open.includes(at) ? stages[0]! : 'summary'))
  const [dialog, setDialog] = useState(false)
  const credentials = useCredentials()
  const go = (to: Stage) => {
    if (to === 'summary') draft.finish(at)
    setStage(to)
  }
  const next = () => go(stages[stages.indexOf(stage) + 1] ?? 'summary')
  const mine = credentials.data?.filter(c => c.uses === connector?.name) ?? []
  const siblings = connector?.components.filter(c => c.trigger === trigger) ?? []
  return (
    <div className="flex max-w-2xl flex-col gap-4">
      <h2 className="font-semibold text-lg">{step.name || component?.title || step.uses}</h2>
      <nav aria-label="Stages" className="flex flex-wrap gap-1">
        {stages.map(s => (
          <Button
            key={s}
            small
            look={s === stage ? 'plain' : 'quiet'}
            aria-current={s === stage ? 'step' : undefined}
            onClick={() => go(s)}
          >
            {{ credential: 'Credential', input: 'Mapping', sample: 'Sample', summary: 'Summary' }[s]}
          </Button>
        ))}
      </nav>
      {siblings.length > 1 && !trigger && (
        <Select label="Action" value={step.uses} onChange={e => draft.edit('Change action', setStep(at, 'uses', e.target.value))}>
          {siblings.map(c => (
            <option key={c.name} value={c.name}>
              {c.title}
            </option>
          ))}
        </Select>
      )}
      {stage === 'credential' && (
        <>
          <Select
            label="Credential"
            value={step.credential ?? ''}
            onChange={e => draft.edit('Choose credential', setAt(at, 'credential', e.target.value || undefined))}
          >
            <option value="">{component?.needsCredential ? 'Choose one' : 'None'}</option>
            {mine.map(c => (
              <option key={c.id} value={c.id}>
                {c.name || c.id}
              </option>
            ))}
          </Select>
          <div className="flex gap-2">
            <Button onClick={() => setDialog(true)}>Create new credentials</Button>
            <Button look="primary" disabled={component?.needsCredential && !step.credential} onClick={next}>
              Continue
            </Button>
          </div>
          {dialog && connector && (
            <CredentialDialog
              uses={connector.name}
              onClose={() => setDialog(false)}
              onDone={c => {
                draft.edit('Choose credential', setAt(at, 'credential', c.id))
                setDialog(false)
                next()
              }}
            />
          )}
        </>
      )}
      {stage === 'input' && <Mapping draft={draft} step={step} connectors={connectors} wrong={wrong} next={next} />}
      {stage === 'sample' &&
        (trigger ? (
          <TriggerSample draft={draft} sample={step.sample} next={next} />
        ) : (
          <Retrieve draft={draft} step={step} effect={component?.effect} next={next} />
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
  )
}

function Retrieve({ draft, step, effect, next }: { draft: Draft; step: Step; effect?: string; next: () => void }) {
  const [busy, setBusy] = useState(false)
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
  }
  return (
    <>
      <p className="text-ink-2">
        This really runs the step once with the sample
        {effect === 'pure' ? '; it changes nothing elsewhere.' : ', and may change something in the other system.'}
      </p>
      <div className="flex gap-2">
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
