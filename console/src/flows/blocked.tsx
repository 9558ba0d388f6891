import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { RotateCw, SkipForward } from 'lucide-react'
import { useState } from 'react'
import { exact } from '../api/client.ts'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Card } from '../ui/page.tsx'
import { Badge } from '../ui/status.tsx'
import { ago, fullTime, number } from '../ui/time.ts'
import { tell, tellError } from '../ui/toast.tsx'
import { type BlockedKey, blockedQuery } from './queries.ts'

/** The keys of an ordered flow that stand still, and what a person can do: try now, or skip. */
export function Blocked({ flow }: { flow: string }) {
  const keys = useQuery(blockedQuery(flow))
  const client = useQueryClient()
  const [skipping, setSkipping] = useState<BlockedKey>()
  if (!keys.data?.length) return null
  const say = async (path: string, body: unknown, said: string) => {
    try {
      await exact('POST', path, { body })
      tell(said)
    } catch (e) {
      tellError(e)
    }
    await client.invalidateQueries({ queryKey: ['blocked', flow] })
  }
  return (
    <Card className="overflow-hidden">
      <header className="border-line border-b px-4 py-3">
        <h2 className="font-semibold">Blocked keys</h2>
        <p className="text-[0.8125rem] text-ink-3">
          This flow keeps the order of each key: the first execution of these holds up those behind it.
        </p>
      </header>
      <ul className="max-h-96 divide-y divide-line overflow-y-auto">
        {keys.data.map(b => (
          <li key={`${b.key} ${b.execution}`} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3">
            <div className="min-w-0 flex-[1_1_18rem]">
              <p className="flex min-w-0 items-center gap-2">
                <code className="truncate font-medium">{b.key}</code>
                <Badge tone="warn">
                  {number(b.waiting)} {b.waiting === 1 ? 'waits' : 'wait'} behind it
                </Badge>
              </p>
              <p className="truncate text-[0.8125rem] text-ink-3">
                <Link to={`/executions/${b.execution}` as never} className="text-accent-ink underline underline-offset-2">
                  {b.step ? `At the step ${b.step}, ${b.stepStatus}` : `Its first execution, ${b.status}`}
                </Link>
                , since {ago(b.since)}
                {b.retryAt && `; tried again at ${fullTime(b.retryAt)}`}
              </p>
              {b.error && <p className="break-words text-[0.8125rem] text-bad">{b.error}</p>}
            </div>
            <div className="flex gap-2">
              {b.step && (
                <Button
                  small
                  icon={<RotateCw aria-hidden className="size-3.5" />}
                  onClick={() => void say(`/executions/${b.execution}/resolve`, { step: b.step, as: 'retry' }, 'It is tried now')}
                >
                  Try now
                </Button>
              )}
              <Button small look="danger" icon={<SkipForward aria-hidden className="size-3.5" />} onClick={() => setSkipping(b)}>
                Skip
              </Button>
            </div>
          </li>
        ))}
      </ul>
      {skipping && (
        <Dialog
          title="Skip this execution?"
          onClose={() => setSkipping(undefined)}
          actions={
            <>
              <Button onClick={() => setSkipping(undefined)}>Keep it</Button>
              <Button
                look="danger"
                onClick={() => {
                  void say(`/executions/${skipping.execution}/cancel`, undefined, 'Skipped: the next of its key goes on')
                  setSkipping(undefined)
                }}
              >
                Skip it
              </Button>
            </>
          }
        >
          <p>
            It is cancelled, and the {number(skipping.waiting)} behind <code>{skipping.key}</code> go on. It stays in the run log, where it
            can be retried later, out of order.
          </p>
        </Dialog>
      )}
    </Card>
  )
}
