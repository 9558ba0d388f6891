import {
  autocompletion,
  type Completion,
  type CompletionContext,
  type CompletionResult,
  completionKeymap,
  snippet,
} from '@codemirror/autocomplete'
import { StreamLanguage, type StringStream } from '@codemirror/language'
import type { Extension } from '@codemirror/state'
import { keymap } from '@codemirror/view'
import { offers, type Scope } from '../flow/scope.ts'
import { functions } from './functions.ts'

// JSONata for the editor: enough of its grammar for colours, brackets and
// completion. Whether an expression is right is for the server to say.

interface State {
  /** Within a comment that goes on. */
  comment: boolean
  /** Whether a value stood before: then / divides, and is no pattern. */
  value: boolean
}

const words = new Set(['and', 'or', 'in', 'function'])
const constants = new Set(['true', 'false', 'null'])

export function token(s: StringStream, state: State): string | null {
  if (state.comment) {
    if (s.skipTo('*/')) {
      s.match('*/')
      state.comment = false
    } else s.skipToEnd()
    return 'comment'
  }
  if (s.eatSpace()) return null
  if (s.match('/*')) {
    state.comment = true
    return 'comment'
  }
  const value = state.value
  state.value = false
  const is = (name: string) => {
    state.value = true
    return name
  }
  if (s.match(/^"(?:[^"\\]|\\.)*"?/) || s.match(/^'(?:[^'\\]|\\.)*'?/)) return is('string')
  if (s.match(/^`[^`]*`?/)) return is('propertyName')
  if (s.match(/^\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/)) return is('number')
  if (s.match(/^\$[A-Za-z_]\w*(?=\s*\()/)) return is('variableName.function')
  if (s.match(/^\$\$?\w*/)) return is('variableName.special')
  if (s.match(/^(?:function|λ)(?=\s*\()/)) return 'keyword'
  const word = s.match(/^[A-Za-z_]\w*/) as RegExpMatchArray | null
  if (word) {
    if (constants.has(word[0])) return is('atom')
    // and, or, in are names where a name has to stand.
    if (words.has(word[0]) && value) return 'keyword'
    return is('propertyName')
  }
  if (!value && s.match(/^\/(?:[^/\\]|\\.)+\/[im]*/)) return is('regexp')
  if (s.match(/^[)\]}]/)) return is('punctuation')
  if (s.match(/^[([{,;]/)) return 'punctuation'
  if (s.match(/^(?::=|~>|\.\.|\*\*|!=|<=|>=|[.?:+\-*/%&=<>|^@#!])/)) return 'operator'
  s.next()
  return null
}

export const jsonataMode = StreamLanguage.define<State>({
  name: 'jsonata',
  startState: () => ({ comment: false, value: false }),
  copyState: s => ({ ...s }),
  token,
  languageData: { commentTokens: { block: { open: '/*', close: '*/' } }, closeBrackets: { brackets: ['(', '[', '{', '"', "'", '`'] } },
})

const about: Record<string, string> = {
  body: 'What the sender sent',
  query: 'The query string, by name',
  headers: 'The request’s headers, names in small letters',
  method: 'POST, GET…',
  path: 'The path of the request',
  files: 'The files that came along',
  steps: 'The outputs of the steps before, by their IDs',
  item: 'The element of this round',
  index: 'The number of this round, from 0',
  execution: 'ID, flow, version and time of this execution',
  callbacks: 'The URLs of steps that wait for a call, by their IDs',
}

const called: Completion[] = functions.map(([call, gives]) => {
  const [name, args] = [call.slice(0, call.indexOf('(')), call.slice(call.indexOf('(') + 1, -1)]
  const lambda = args.includes('{')
  const written = args === '' ? `${name}()` : lambda ? `${name}(${args.replace(/^\w+/, first => `\${${first}}`)})` : `${name}(\${})`
  return {
    label: name,
    detail: lambda ? `(${args.split(',')[0]}, function)` : `(${args})`,
    info: gives,
    type: 'function',
    apply: snippet(written),
  }
})

/** What may stand at the end of a text that is an expression up to there. */
export function completionsFor(text: string, scope: Scope): { from: number; options: Completion[] } | null {
  const fn = /\$\w*$/.exec(text)
  if (fn) return { from: fn.index, options: called }
  const m = /((?:(?:[A-Za-z_]\w*|`[^`]*`)(?:\[[^\][]*\])*\.)*)(`[^`]*|[A-Za-z_]\w*)?$/.exec(text)!
  const path = m[1]!
  const from = text.length - (m[2]?.length ?? 0)
  // Behind anything else that ends with a dot nothing is known.
  if (path === '' && /[.\w`)\]"']\s*$/.test(text.slice(0, from)) && /\.\s*$/.test(text.slice(0, from))) return null
  const found = offers(scope, path.slice(0, -1))
  if (found.length === 0) return null
  return {
    from,
    options: found.map(o => ({
      label: o.write,
      detail: path === '' && about[o.name] ? about[o.name] : o.shown,
      type: 'property',
      boost: path === '' ? 1 : 0,
    })),
  }
}

/** Completion of the scope and of JSONata's functions, wherever an expression is edited. */
export function expressionSource(scope: () => Scope, begin: (c: CompletionContext) => number | null = () => 0) {
  return (c: CompletionContext): CompletionResult | null => {
    const start = begin(c)
    if (start === null) return null
    const text = c.state.sliceDoc(start, c.pos)
    const found = completionsFor(text, scope())
    if (!found) return null
    if (!c.explicit && found.from === text.length && !text.endsWith('.') && text !== '') return null
    return { from: start + found.from, options: found.options, validFor: /^(?:\$?\w*|`[^`]*`?)$/ }
  }
}

/** The language of an expression; scope is asked whenever something is completed. */
export function jsonata(scope: () => Scope): Extension {
  return [
    jsonataMode,
    autocompletion({
      override: [expressionSource(scope)],
      icons: false,
      activateOnTyping: true,
      defaultKeymap: false,
      tooltipClass: () => 'sluice-completion',
    }),
    keymap.of(completionKeymap),
  ]
}
