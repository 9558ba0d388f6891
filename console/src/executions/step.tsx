import { useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { RotateCw, StepForward } from 'lucide-react'
import { useState } from 'react'
import { exact } from '../api/client.ts'
import { JsonError, parseJSON } from '../flow/exact.ts'
import { PayloadTree } from '../payload/tree.tsx'
import { Button } from '../ui/button.tsx'
import { CopyButton } from '../ui/copy.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Fact } from '../ui/fact.tsx'
import { TextArea, TextField } from '../ui/field.tsx'
import { Card, Problem } from '../ui/page.tsx'
import { StepBadge } from '../ui/status.tsx'
import { duration, fullTime } from '../ui/time.ts'
import { tell, tellError } from '../ui/toast.tsx'
import { quoted } from './curl.ts'
import { type ExecutionDetail, type ExecutionStep, isOpen } from './types.ts'

/** Statuses of a step that a person can decide about. */
const open = new Set(['unknown', 'retrying', 'waiting'])

function RetryFrom({ busy, onClick }: { busy: boolean; onClick: () => void }) {
  return (
    <Button
      small
      busy={busy}
      icon={<StepForward aria-hidden className="size-3.5" />}
      title="A new execution takes over what came before this step, and runs it and what comes after"
      onClick={onClick}
    >
      Retry from here
    </Button>
  )
}

/** A step: each of its attempts, and what can be done about it. */
export function StepCard({ x, s, busy, onRetryFrom }: { x: ExecutionDetail; s: ExecutionStep; busy: boolean; onRetryFrom: () => void }) {
  const [attempt, setAttempt] = useState(s.attempt)
  const a = s.attempts.find(x => x.attempt === attempt) ?? s.attempts.at(-1)
  const input = a?.input ?? s.input
  const output = a?.output ?? s.output
  return (
    <Card className="min-w-0 overflow-hidden">
      <header className="flex flex-wrap items-start justify-between gap-2 border-b border-line px-4 py-3">
        <div className="min-w-0">
          <h2 className="truncate font-semibold">
            {s.name || s.id}
            {s.iteration > 0 && <span className="text-ink-3"> #{s.iteration}</span>}
          </h2>
          <p className="truncate text-xs text-ink-3">{s.uses}</p>
        </div>
        <div className="flex items-center gap-2">
          <StepBadge status={s.status} />
          {!isOpen(x.status) && x.hook && <RetryFrom busy={busy} onClick={onRetryFrom} />}
        </div>
      </header>
      <div className="flex flex-col gap-4 p-4">
        {isOpen(x.status) && open.has(s.status) && <Decide x={x} s={s} />}
        <Called s={s} />
        {s.attempts.length > 1 && (
          <div role="tablist" aria-label="Attempts" className="flex flex-wrap gap-1">
            {s.attempts.map(x => (
              <button
                key={x.attempt}
                type="button"
                role="tab"
                aria-selected={x.attempt === a?.attempt}
                onClick={() => setAttempt(x.attempt)}
                className={`h-7 rounded-md px-2.5 text-[0.8125rem] ${x.attempt === a?.attempt ? 'bg-accent-soft font-medium text-accent-ink' : 'text-ink-2 hover:bg-hover'}`}
              >
                Attempt {x.attempt}
                <span className="text-ink-3"> · {x.httpStatus || x.status}</span>
              </button>
            ))}
          </div>
        )}
        {a ? (
          <>
            <dl className="grid grid-cols-2 gap-3 sm:grid-cols-4 [&_dd]:truncate">
              <Fact label="Started">{fullTime(a.startedAt)}</Fact>
              <Fact label="Took">{a.status === 'waiting' ? 'it waits' : duration(a.durationMs)}</Fact>
              <Fact label="HTTP">{a.httpStatus || '–'}</Fact>
              <Fact label="Idempotency key">
                {s.idempotencyKey ? (
                  <code className="text-xs" title={s.idempotencyKey}>
                    {s.idempotencyKey.slice(0, 16)}…
                  </code>
                ) : (
                  '–'
                )}
              </Fact>
            </dl>
            {a.error && <p className="break-words rounded-lg bg-bad-soft px-3 py-2 text-bad">{a.error}</p>}
            {a.retryAt && (
              <p className="text-ink-2">
                {a.status === 'waiting' ? 'It waits until' : 'The next attempt is due at'} {fullTime(a.retryAt)}.
              </p>
            )}
            <section aria-label="Input" className="flex flex-col gap-1.5">
              <h3 className="text-xs font-medium text-ink-2">Input</h3>
              <PayloadTree value={input ?? null} name="input" />
            </section>
            <section aria-label="Output" className="flex flex-col gap-1.5">
              <h3 className="text-xs font-medium text-ink-2">Output</h3>
              <PayloadTree value={output ?? null} name={`steps.${s.id}`} />
            </section>
          </>
        ) : (
          <p className="text-ink-3">It did not run: its condition was not met, or what it waits for did not happen.</p>
        )}
      </div>
    </Card>
  )
}

/** A step that has not run: why, and its callback URL where it will wait. */
export function NotRun({ x, id, busy, onRetryFrom }: { x: ExecutionDetail; id: string; busy: boolean; onRetryFrom: () => void }) {
  return (
    <Card className="flex flex-col gap-3 px-4 py-4 text-ink-2">
      <div className="flex items-start justify-between gap-3">
        <p>This step has not run in this execution{isOpen(x.status) ? ' yet' : ''}.</p>
        {!isOpen(x.status) && x.hook && <RetryFrom busy={busy} onClick={onRetryFrom} />}
      </div>
      <CallbackURL url={x.callbacks?.[id]} note="It will wait here. A call that comes before is kept." />
    </Card>
  )
}

function CallbackURL({ url, note }: { url?: string; note: string }) {
  if (!url) return null
  return (
    <section aria-label="Callback URL" className="rounded-lg border border-line px-3 py-2.5">
      <p className="text-ink-3 text-xs">{note}</p>
      <code className="my-1.5 block max-h-20 overflow-y-auto break-all text-xs">{url}</code>
      <div className="flex flex-wrap gap-2">
        <CopyButton small text={url} name="callback URL" label="Copy URL" />
        <CopyButton
          small
          text={`curl -X POST ${quoted(url)} -H 'Content-Type: application/json' -d '{}'`}
          name="curl command"
          label="Copy as curl"
        />
      </div>
    </section>
  )
}

/** The execution that a step started, where it called a flow. */
function Called({ s }: { s: ExecutionStep }) {
  const output = s.output
  const id =
    s.uses === 'flow/call' && output && typeof output === 'object' && !Array.isArray(output)
      ? (output as { execution?: unknown }).execution
      : undefined
  if (typeof id !== 'string') return null
  return (
    <p>
      It called a flow:{' '}
      <Link to={`/executions/${id}` as never} className="font-mono text-accent-ink text-xs underline">
        {id}
      </Link>
    </p>
  )
}

const says: Record<string, string> = {
  unknown: 'Whether its effect took place is not known: look at the other system, and say what to do.',
  retrying: 'It is tried again by itself. It can be tried at once, or be settled by hand.',
  waiting: 'It waits. It can be gone on with, or given up, by hand.',
}

/** What a person decides about a step that stands. */
function Decide({ x, s }: { x: ExecutionDetail; s: ExecutionStep }) {
  const client = useQueryClient()
  const [as, setAs] = useState<'succeeded' | 'failed'>()
  const [output, setOutput] = useState('{}')
  const [reason, setReason] = useState('')
  const [error, setError] = useState<unknown>(null)
  let wrong = ''
  try {
    parseJSON(output)
  } catch (e) {
    if (e instanceof JsonError) wrong = `Line ${e.line}, column ${e.column}: ${e.message}`
  }
  const resolve = async (body: Record<string, unknown>) => {
    await exact('POST', `/executions/${x.id}/resolve`, { body: { step: s.id, iteration: s.iteration || undefined, ...body } })
    await client.invalidateQueries({ queryKey: ['execution', x.id] })
  }
  const settle = async () => {
    setError(null)
    try {
      await resolve(as === 'succeeded' ? { as, output: parseJSON(output) } : { as, reason: reason.trim() || undefined })
      tell(as === 'succeeded' ? 'It counts as succeeded: the execution goes on' : 'It counts as failed')
      setAs(undefined)
    } catch (e) {
      setError(e)
    }
  }
  const name = s.name || s.id
  return (
    <section aria-label="What to do" className="flex flex-col gap-2.5 rounded-lg bg-warn-soft px-3 py-2.5">
      <p className="text-ink-2">{says[s.status]}</p>
      <div className="flex flex-wrap gap-2">
        {s.status !== 'waiting' && (
          <Button
            small
            icon={<RotateCw aria-hidden className="size-3.5" />}
            onClick={() => void resolve({ as: 'retry' }).then(() => tell('It is tried now'), tellError)}
          >
            Try now
          </Button>
        )}
        <Button small onClick={() => setAs('succeeded')}>
          {s.status === 'waiting' ? 'Go on with an output' : 'It succeeded'}
        </Button>
        <Button small look="danger" onClick={() => setAs('failed')}>
          {s.status === 'waiting' ? 'Give up' : 'It failed'}
        </Button>
      </div>
      <CallbackURL url={x.callbacks?.[s.id]} note="It waits for one call of" />
      {as && (
        <Dialog
          title={as === 'succeeded' ? `${name} counts as succeeded` : `${name} counts as failed`}
          onClose={() => setAs(undefined)}
          actions={
            <>
              <Button onClick={() => setAs(undefined)}>Close</Button>
              <Button
                look={as === 'failed' ? 'danger' : 'primary'}
                disabled={as === 'succeeded' && wrong !== ''}
                onClick={() => void settle()}
              >
                {as === 'succeeded' ? 'Go on' : 'Let it fail'}
              </Button>
            </>
          }
        >
          <div className="flex flex-col gap-3">
            {as === 'succeeded' ? (
              <TextArea
                label="Its output, as JSON"
                hint="The steps after it read this as the step’s output."
                rows={8}
                value={output}
                onChange={e => setOutput(e.target.value)}
                error={wrong}
                className="font-mono text-[0.8125rem]"
              />
            ) : (
              <TextField
                label="Why"
                value={reason}
                maxLength={1000}
                onChange={e => setReason(e.target.value)}
                hint="It is in the run log as the error."
              />
            )}
            {error !== null && <Problem error={error} />}
          </div>
        </Dialog>
      )}
    </section>
  )
}
