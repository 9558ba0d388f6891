import { autocompletion, type CompletionContext, type CompletionResult, completionKeymap } from '@codemirror/autocomplete'
import { yaml } from '@codemirror/lang-yaml'
import { codeFolding, foldGutter, foldKeymap } from '@codemirror/language'
import { highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from '@codemirror/view'
import { useMemo, useRef } from 'react'
import { type Offering, suggest } from '../flow/complete.ts'
import type { Scope } from '../flow/scope.ts'
import { contextAt } from '../flow/yamlcontext.ts'
import { Code, type CodeProps } from './code.tsx'
import { completionsFor } from './jsonata.ts'

interface Props extends Omit<CodeProps, 'language'> {
  offering: Offering | undefined
  /** What an expression of a step sees. */
  scopeOf: (step: string) => Scope
}

/** The editor of a flow's YAML, fetched by itself (designer/yaml.tsx). */
export default function YamlEditor({ offering, scopeOf, ...rest }: Props) {
  const latest = useRef({ offering, scopeOf })
  latest.current = { offering, scopeOf }
  const language = useMemo(() => {
    const complete = (c: CompletionContext): CompletionResult | null => {
      const { offering, scopeOf } = latest.current
      const at = offering && contextAt(c.state.doc.toString(), c.pos)
      if (!at) return null
      if (at.typed.startsWith('=')) {
        const step = at.path[0] === 'steps' ? at.values.get(`steps/${at.path[1]}/id`) : undefined
        const found = completionsFor(at.typed.slice(1), scopeOf(step ?? ''))
        return found && { from: at.from + 1 + found.from, options: found.options, validFor: /^(?:\$?\w*|`[^`]*`?)$/ }
      }
      if (!c.explicit && at.is === 'key' && at.typed === '') return null
      const options = suggest(at, offering).map(s => ({
        label: s.label,
        detail: s.detail,
        info: s.info,
        apply: s.apply,
        boost: s.required ? 2 : 0,
        type: 'property',
      }))
      return options.length > 0 ? { from: at.from, options, validFor: /^[\w$./-]*$/ } : null
    }
    return [
      yaml(),
      lineNumbers(),
      codeFolding(),
      foldGutter(),
      highlightActiveLine(),
      highlightActiveLineGutter(),
      autocompletion({ override: [complete], icons: false, defaultKeymap: false }),
      keymap.of([...completionKeymap, ...foldKeymap]),
    ]
  }, [])
  return <Code {...rest} language={language} />
}
