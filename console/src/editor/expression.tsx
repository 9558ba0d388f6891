import { useMemo, useRef } from 'react'
import type { Scope } from '../flow/scope.ts'
import { Code, type CodeProps } from './code.tsx'
import { jsonata } from './jsonata.ts'

/** The editor of an expression, fetched by itself (designer/expression.tsx). */
export default function ExpressionEditor({ scope, ...rest }: Omit<CodeProps, 'language'> & { scope: Scope }) {
  const latest = useRef(scope)
  latest.current = scope
  const language = useMemo(() => jsonata(() => latest.current), [])
  return <Code {...rest} language={language} placeholder="body.name" />
}
