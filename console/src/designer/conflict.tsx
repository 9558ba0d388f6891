import { useState } from 'react'
import { diff } from '../flow/diff.ts'
import { printJSON } from '../flow/exact.ts'
import type { Choices } from '../flow/merge.ts'
import { inWords } from '../flow/words.ts'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { ChangeList } from '../versions/changes.tsx'
import type { Draft } from './draft.ts'

/** Both variants of a draft, and what they come to together. */
export function Conflict({ draft, onClose }: { draft: Draft; onClose: () => void }) {
  const [choices, setChoices] = useState<Choices>({})
  const saving = draft.get().saving
  if (saving.is !== 'conflict') return null
  const base = draft.common()
  const { clashes } = draft.merged(choices)
  const open = clashes.filter(c => !choices[c.key]).length
  const sides = [
    { title: 'Yours', lines: inWords(diff(base, draft.doc), base, draft.doc) },
    { title: 'Theirs', lines: inWords(diff(base, saving.theirs), base, saving.theirs) },
  ]
  return (
    <Dialog
      wide
      title="Two variants of this draft"
      onClose={onClose}
      actions={
        <>
          <span className="mr-auto text-[0.8125rem] text-ink-3">Undo brings back what you do not take.</span>
          <Button onClick={() => (draft.resolve('theirs'), onClose())}>Take theirs</Button>
          <Button onClick={() => (draft.resolve('mine'), onClose())}>Keep mine</Button>
          <Button look="primary" disabled={open > 0} onClick={() => (draft.resolve('both', choices), onClose())}>
            {open > 0 ? `Choose ${open} more` : 'Keep both'}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-5">
        {clashes.length > 0 && (
          <section>
            <h3 className="font-semibold">Both changed the same: choose</h3>
            {clashes.map(c => (
              <fieldset key={c.key} className="mt-3 rounded-xl border border-line p-3">
                <legend className="px-1 text-[0.8125rem]">
                  <span className="font-medium">{c.step || 'Flow'}</span> <span className="text-ink-3">{c.path || 'the step itself'}</span>
                </legend>
                <div className="grid gap-2 sm:grid-cols-2">
                  {(['mine', 'theirs'] as const).map(side => (
                    <label
                      key={side}
                      className="flex min-w-0 cursor-pointer items-start gap-2.5 rounded-lg border border-line-strong p-2.5 hover:bg-hover has-checked:border-accent has-checked:bg-accent-soft"
                    >
                      <input
                        type="radio"
                        name={c.key}
                        className="mt-0.5 size-4 shrink-0 accent-(--accent)"
                        checked={choices[c.key] === side}
                        onChange={() => setChoices({ ...choices, [c.key]: side })}
                      />
                      <span className="min-w-0">
                        <span className="block text-[0.8125rem] text-ink-2">{side === 'mine' ? 'Yours' : 'Theirs'}</span>
                        <code className="block max-h-32 overflow-auto whitespace-pre-wrap break-words">
                          {c[side] === undefined ? '(removed)' : said(c[side])}
                        </code>
                      </span>
                    </label>
                  ))}
                </div>
              </fieldset>
            ))}
          </section>
        )}
        <div className="grid gap-x-6 gap-y-4 sm:grid-cols-2">
          {sides.map(s => (
            <section key={s.title} className="min-w-0">
              <h3 className="font-semibold">
                {s.title} <span className="font-normal text-ink-3">{s.lines.length}</span>
              </h3>
              <ChangeList lines={s.lines} />
            </section>
          ))}
        </div>
      </div>
    </Dialog>
  )
}

const said = (v: unknown) => (typeof v === 'string' ? v || '(empty)' : printJSON(v, 2))
