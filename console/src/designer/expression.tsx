import { lazy, Suspense, useEffect, useId, useState } from 'react'
import { ApiError, exact, isAway } from '../api/client.ts'
import type { Mark } from '../editor/code.tsx'
import { type Json, printJSON } from '../flow/exact.ts'
import type { Scope } from '../flow/scope.ts'

// CodeMirror is fetched when the first expression is shown.
const Editor = lazy(() => import('../editor/expression.tsx'))

/** What an expression gives on the samples. */
export type Result = { value: Json } | { nothing: true } | { error: string; position?: number }

/**
 * A JSONata expression, with its result on the samples as one types. The value
 * is without the = of the flow document.
 */
export function Expression({
  label,
  hideLabel,
  value,
  onChange,
  scope,
  fault,
  required,
  error,
  hint,
  tall,
}: {
  label: string
  hideLabel?: boolean
  value: string
  onChange: (expression: string) => void
  scope: Scope
  /** Why a result is none for this place; '' when it is one. */
  fault?: (v: Json) => string
  required?: boolean
  error?: string
  hint?: string
  tall?: boolean
}) {
  const id = useId()
  const result = useResult(value, scope)
  const said = result && value.trim() ? result : undefined
  const wrong = said && 'error' in said ? said : undefined
  const misfit = said && 'value' in said ? (fault?.(said.value) ?? '') : ''
  const [marks, setMarks] = useState<Mark[]>([])
  // biome-ignore lint/correctness/useExhaustiveDependencies: a mark belongs to the text that was evaluated
  useEffect(() => setMarks(wrong ? [place(value, wrong)] : []), [result])
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <span className={hideLabel ? 'sr-only' : 'font-medium text-[0.8125rem] text-ink-2'}>
        {label}
        {required && !hideLabel && (
          <span aria-hidden className="ml-0.5 text-bad">
            *
          </span>
        )}
      </span>
      <div
        className={`overflow-hidden rounded-lg border bg-surface transition-colors focus-within:border-accent focus-within:ring-2 focus-within:ring-accent/25 ${wrong || error ? 'border-bad' : 'border-line-strong hover:border-ink-3'}`}
      >
        <div className={`flex ${tall ? 'max-h-96 min-h-40' : 'max-h-56 min-h-9'}`}>
          <span aria-hidden className="select-none py-[7px] pl-3 font-mono text-[0.8125rem] text-accent-ink leading-[1.6]">
            =
          </span>
          <Suspense fallback={<pre className="truncate px-2.5 py-[7px] text-[0.8125rem] text-ink-3">{value || ' '}</pre>}>
            <Editor
              label={label}
              value={value}
              onChange={onChange}
              scope={scope}
              marks={marks}
              invalid={!!(wrong || error)}
              describedBy={id}
            />
          </Suspense>
        </div>
        <div id={id} aria-live="polite">
          {wrong ? (
            <Line bad>{wrong.error}</Line>
          ) : said && 'nothing' in said ? (
            <Line calm>Nothing: the sample has no such value</Line>
          ) : said && 'value' in said ? (
            <>
              <Value value={said.value} />
              {misfit && <Line bad>{`It ${misfit}`}</Line>}
            </>
          ) : (
            error && <Line bad>{error}</Line>
          )}
        </div>
      </div>
      {hint && <p className="text-[0.8125rem] text-ink-3">{hint}</p>}
    </div>
  )
}

function Line({ children, bad, calm }: { children: string; bad?: boolean; calm?: boolean }) {
  return (
    <p className={`border-line border-t px-3 py-1 text-[0.8125rem] ${bad ? 'bg-bad-soft text-bad' : calm ? 'bg-warn-soft text-warn' : ''}`}>
      {children}
    </p>
  )
}

/** The output of an expression: one line where it fits, else so much of it as one wants to see. */
export function Value({ value }: { value: Json }) {
  const flat = printJSON(value)
  const text = flat.length <= 90 ? flat : printJSON(value, 2)
  const kind = value === null ? 'null' : Array.isArray(value) ? `${value.length} elements` : typeof value === 'string' ? 'text' : ''
  return (
    <output className="flex max-h-44 min-w-0 items-start gap-2 overflow-auto border-line border-t bg-sunken px-3 py-1 text-[0.8125rem]">
      <span aria-hidden className="select-none text-good">
        →
      </span>
      <code className={`min-w-0 flex-1 ${flat.length <= 90 ? 'break-words' : 'whitespace-pre'}`}>
        {text.length > 20_000 ? `${text.slice(0, 20_000)}…` : text}
      </code>
      {kind && <span className="sticky right-0 shrink-0 text-ink-3 text-xs leading-5">{kind}</span>}
    </output>
  )
}

/** The characters that an error is about: up to the position, back to where its word begins. */
export function place(text: string, e: { error: string; position?: number }): Mark {
  const to = e.position ? Math.min(e.position, text.length) : text.length
  const word = /[\w$`]+$|\S$/.exec(text.slice(0, to))
  return { from: e.position ? (word?.index ?? Math.max(0, to - 1)) : 0, to, message: e.error }
}

/** Evaluates while one types: by the server, which runs it later; in the browser while that is away. */
export function useResult(expression: string, scope: Scope): Result | undefined {
  const [result, setResult] = useState<Result>()
  const data = printJSON(scope)
  useEffect(() => {
    if (!expression.trim()) return setResult(undefined)
    const ended = new AbortController()
    const timer = setTimeout(async () => {
      const next = await evaluate(expression, data, ended.signal)
      if (!ended.signal.aborted) setResult(next)
    }, 150)
    return () => {
      ended.abort()
      clearTimeout(timer)
    }
  }, [expression, data])
  return result
}

async function evaluate(expression: string, data: string, signal: AbortSignal): Promise<Result> {
  try {
    const raw = `{"expression":${JSON.stringify(expression)},"data":${data}}`
    const { data: answer } = await exact<{ result?: Json; undefined?: boolean; error?: { message: string; position: number } }>(
      'POST',
      '/evaluate',
      {
        raw,
        signal,
      },
    )
    if (answer.error) return { error: answer.error.message, position: answer.error.position || undefined }
    return answer.undefined || answer.result === undefined ? { nothing: true } : { value: answer.result }
  } catch (e) {
    if (isAway(e)) return inBrowser(expression, data)
    return { error: e instanceof ApiError ? e.message : 'it could not be evaluated' }
  }
}

async function inBrowser(expression: string, data: string): Promise<Result> {
  try {
    const { default: jsonata } = await import('jsonata')
    const value: unknown = await jsonata(expression, { timeout: 500, stack: 500 } as never).evaluate(JSON.parse(data))
    return value === undefined ? { nothing: true } : { value: JSON.parse(JSON.stringify(value)) }
  } catch (e) {
    const j = e as { message: string; position?: number }
    return { error: j.message, position: j.position }
  }
}
