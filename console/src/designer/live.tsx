import { useEffect, useState } from 'react'
import { type Json, printJSON } from '../flow/exact.ts'

type Said = { text: string; bad?: boolean }

/** What an expression gives on the samples, by the official JSONata, while one types. */
export function LiveResult({ expression, scope }: { expression: string; scope: unknown }) {
  const [said, setSaid] = useState<Said>()
  const data = JSON.stringify(scope)
  useEffect(() => {
    let current = true
    const timer = setTimeout(async () => {
      const next = await evaluate(expression, data)
      if (current) setSaid(next)
    }, 150)
    return () => {
      current = false
      clearTimeout(timer)
    }
  }, [expression, data])
  if (!said) return null
  return (
    <output className={`flex min-w-0 gap-2 text-[0.8125rem] sm:col-span-2 ${said.bad ? 'text-bad' : 'text-good'}`}>
      <span aria-hidden>{said.bad ? '✕' : '→'}</span>
      <code className="truncate" title={said.text}>
        {said.text}
      </code>
    </output>
  )
}

async function evaluate(expression: string, data: string): Promise<Said> {
  try {
    const { default: jsonata } = await import('jsonata')
    const value = await jsonata(expression, { timeout: 500, stack: 500 } as never).evaluate(JSON.parse(data))
    return value === undefined ? { text: 'nothing: the sample has no such value', bad: true } : { text: printJSON(value as Json) }
  } catch (e) {
    return { text: (e as Error).message, bad: true }
  }
}
