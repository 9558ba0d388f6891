import { Minus, PencilLine, Plus } from 'lucide-react'
import type { Said } from '../flow/words.ts'

const faces: Record<Said['mark'], { label: string; icon: typeof Plus; colour: string }> = {
  added: { label: 'Added', icon: Plus, colour: 'bg-good-soft text-good' },
  removed: { label: 'Removed', icon: Minus, colour: 'bg-bad-soft text-bad' },
  changed: { label: 'Changed', icon: PencilLine, colour: 'bg-warn-soft text-warn' },
}

export function Mark({ mark }: { mark: Said['mark'] }) {
  const face = faces[mark]
  return (
    <span title={face.label} className={`inline-flex size-5 shrink-0 items-center justify-center rounded-md ${face.colour}`}>
      <face.icon aria-hidden className="size-3" />
      <span className="sr-only">{face.label}</span>
    </span>
  )
}

/** What differs, line by line. */
export function ChangeList({ lines, most = 200 }: { lines: Said[]; most?: number }) {
  return (
    <ul className="flex flex-col divide-y divide-line">
      {lines.slice(0, most).map((l, i) => (
        <li key={i} className="flex items-start gap-2.5 py-2">
          <Mark mark={l.mark} />
          <div className="min-w-0 flex-1">
            <p className="truncate">
              <span className="font-medium">{l.where}</span> <span className="text-ink-3">{l.field}</span>
            </p>
            {(l.before !== undefined || l.after !== undefined) && (
              <p className="flex min-w-0 flex-wrap items-baseline gap-x-2 text-[0.8125rem]">
                {l.before !== undefined && (
                  <code className="max-w-full truncate rounded bg-bad-soft px-1 text-bad line-through" title={l.before}>
                    {l.before.slice(0, 200) || '(empty)'}
                  </code>
                )}
                {l.after !== undefined && (
                  <code className="max-w-full truncate rounded bg-good-soft px-1 text-good" title={l.after}>
                    {l.after.slice(0, 200) || '(empty)'}
                  </code>
                )}
              </p>
            )}
          </div>
        </li>
      ))}
      {lines.length > most && <li className="py-2 text-ink-3">and {lines.length - most} more</li>}
    </ul>
  )
}
