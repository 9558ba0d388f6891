import { useNavigate } from '@tanstack/react-router'
import { emptyFlow } from '../flow/edit.ts'
import { TRIGGER } from '../flow/graph.ts'
import { Page } from '../ui/page.tsx'
import { tellError } from '../ui/toast.tsx'
import { Chooser } from './chooser.tsx'
import { Draft } from './draft.ts'

/** A flow begins with what starts it. */
export function NewFlow() {
  const navigate = useNavigate()
  const begin = async (uses: string) => {
    try {
      const d = Draft.fresh(emptyFlow('New flow', uses))
      await d.save()
      const s = d.get()
      if (s.saving.is === 'refused') throw s.saving.error
      if (!s.flow) throw new Error('The server does not answer: try again.')
      d.reopen(TRIGGER)
      void navigate({ to: `/flows/${s.flow.id}/edit` as never })
    } catch (e) {
      tellError(e)
    }
  }
  return (
    <Page title="What starts the flow?" about="Every flow begins with a trigger. What it does then is added step by step.">
      <div className="max-w-2xl">
        <Chooser trigger onChoose={hit => void begin(hit.component.name)} />
      </div>
    </Page>
  )
}
