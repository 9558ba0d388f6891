import { useSyncExternalStore } from 'react'
import { Button } from '../ui/button.tsx'
import { Card, Problem } from '../ui/page.tsx'
import type { Draft } from './draft.ts'

/** What stands between a draft and the server, and what can be done about it. */
export function DraftNotice({ draft }: { draft: Draft }) {
  const { saving } = useSyncExternalStore(draft.subscribe, draft.get)
  return (
    <>
      {saving.is === 'refused' && <Problem error={saving.error} />}
      {saving.is === 'conflict' && (
        <Card className="flex flex-col gap-2 border-warn p-4">
          <h2 className="font-semibold">Somebody else changed this draft</h2>
          <p className="text-ink-2">
            {saving.changes.length} changes of theirs, {draft.own().length} of yours. Whatever you choose, Undo brings the other back.
          </p>
          <div className="flex flex-wrap gap-2">
            <Button small look="primary" onClick={() => draft.resolve('both')}>
              Keep both
            </Button>
            <Button small onClick={() => draft.resolve('mine')}>
              Keep mine
            </Button>
            <Button small onClick={() => draft.resolve('theirs')}>
              Take theirs
            </Button>
          </div>
        </Card>
      )}
    </>
  )
}
