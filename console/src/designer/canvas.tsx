import { AlertTriangle, Plus, Zap } from 'lucide-react'
import { useState } from 'react'
import { addStep, freshID, removeStep } from '../flow/edit.ts'
import { TRIGGER } from '../flow/graph.ts'
import { Button } from '../ui/button.tsx'
import { Card, Empty } from '../ui/page.tsx'
import { tell } from '../ui/toast.tsx'
import { Chooser } from './chooser.tsx'
import { findComponent } from './components.ts'
import { useOpened } from './open.ts'
import { StepPanel } from './step.tsx'

/** The flow's steps, and the one that is being set up beside them. */
export function Canvas() {
  const { draft, doc, open, connectors, wrong } = useOpened()
  const [at, setAt] = useState<string>(() => open[0] ?? '')
  const steps = [{ ...doc.trigger, id: TRIGGER }, ...doc.steps]
  return (
    <div className="flex min-h-0 flex-1 flex-col gap-4 overflow-auto p-4 lg:flex-row">
      <section aria-label="Steps" className="flex shrink-0 flex-col gap-3 lg:w-80">
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
                <span className="block truncate font-medium">{s.name || findComponent(connectors, s.uses)?.title || s.uses}</span>
                <span className="block truncate text-ink-3 text-xs">{open.includes(s.id) ? 'Not finished' : s.uses}</span>
              </span>
              {faults.length > 0 && (
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
        ) : steps.some(s => s.id === at) && connectors ? (
          <StepPanel key={at} draft={draft} at={at} connectors={connectors} wrong={wrong} onFinish={() => setAt('/add')} />
        ) : (
          <Empty title="Choose a step">Choose one on the left to change it, or add another.</Empty>
        )}
      </Card>
    </div>
  )
}
