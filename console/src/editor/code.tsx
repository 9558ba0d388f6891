import { closeBrackets, closeBracketsKeymap } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { bracketMatching, indentUnit } from '@codemirror/language'
import { type Diagnostic, setDiagnostics } from '@codemirror/lint'
import { Annotation, EditorState, type Extension, Transaction } from '@codemirror/state'
import { drawSelection, EditorView, keymap, placeholder as placeholderOf } from '@codemirror/view'
import { useEffect, useRef } from 'react'
import { theme } from './theme.ts'

export interface Mark {
  from: number
  to: number
  message: string
  severity?: 'error' | 'warning'
}

export interface CodeProps {
  value: string
  onChange?: (text: string) => void
  /** Its name for who does not see it. */
  label: string
  /** What it speaks: the same for as long as it is shown. */
  language: Extension
  marks?: Mark[]
  placeholder?: string
  describedBy?: string
  invalid?: boolean
  autoFocus?: boolean
  onView?: (view: EditorView) => void
}

// The page's policy lets in only style elements that carry its nonce.
const nonce = () => document.querySelector<HTMLMetaElement>('meta[name=csp-nonce]')?.content ?? ''

// Where one types over selected text, Chromium keeps its colours by a style
// attribute, which the page's policy refuses and reports: the editor does it.
const typedOver = EditorView.domEventHandlers({
  beforeinput(e, view) {
    const { from, to, empty } = view.state.selection.main
    if (e.inputType !== 'insertText' || e.data === null || empty || view.composing || view.state.readOnly) return false
    const insert = () => view.state.update(view.state.replaceSelection(e.data!), { userEvent: 'input.type', scrollIntoView: true })
    if (!view.state.facet(EditorView.inputHandler).some(h => h(view, from, to, e.data!, insert))) view.dispatch(insert())
    e.preventDefault()
    return true
  },
})

const external = Annotation.define<boolean>()

/**
 * A code editor over a text that somebody else keeps. A text from outside comes
 * in as the smallest change, so that the cursor stays where it was; it is not in
 * the editor's own undo list. Tab leaves it, as it leaves any field.
 */
export function Code(p: CodeProps) {
  const latest = useRef(p)
  latest.current = p
  const host = useRef<HTMLDivElement>(null)
  const editor = useRef<EditorView>(null)

  // biome-ignore lint/correctness/useExhaustiveDependencies: one editor for as long as this is shown; what changes is read from latest
  useEffect(() => {
    const view = new EditorView({
      parent: host.current!,
      state: EditorState.create({
        doc: p.value,
        extensions: [
          EditorView.cspNonce.of(nonce()),
          history(),
          drawSelection(),
          bracketMatching(),
          closeBrackets(),
          indentUnit.of('  '),
          EditorView.lineWrapping,
          p.placeholder ? placeholderOf(p.placeholder) : [],
          p.language,
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap]),
          typedOver,
          theme,
          EditorView.contentAttributes.of(() => ({
            'aria-label': latest.current.label,
            ...(latest.current.describedBy ? { 'aria-describedby': latest.current.describedBy } : {}),
            ...(latest.current.invalid ? { 'aria-invalid': 'true' } : {}),
            spellcheck: 'false',
            tabindex: '0', // a scroller wants something in it that takes the focus
          })),
          p.onChange ? [] : [EditorState.readOnly.of(true)],
          EditorView.updateListener.of(u => {
            if (u.docChanged && !u.transactions.some(t => t.annotation(external))) latest.current.onChange?.(u.state.doc.toString())
          }),
        ],
      }),
    })
    editor.current = view
    latest.current.onView?.(view)
    if (p.autoFocus) view.focus()
    return () => view.destroy()
  }, [])

  const { value, marks } = p
  useEffect(() => {
    const view = editor.current
    const was = view?.state.doc.toString()
    if (!view || was === undefined || was === value) return
    let from = 0
    const most = Math.min(was.length, value.length)
    while (from < most && was[from] === value[from]) from++
    let end = 0
    while (end < most - from && was[was.length - 1 - end] === value[value.length - 1 - end]) end++
    view.dispatch({
      changes: { from, to: was.length - end, insert: value.slice(from, value.length - end) },
      annotations: [external.of(true), Transaction.addToHistory.of(false)],
    })
  }, [value])

  useEffect(() => {
    const view = editor.current
    if (!view) return
    const length = view.state.doc.length
    const shown: Diagnostic[] = (marks ?? []).map(m => {
      const from = Math.max(0, Math.min(m.from, length))
      return { from, to: Math.max(from, Math.min(m.to, length)), message: m.message, severity: m.severity ?? 'error' }
    })
    view.dispatch(setDiagnostics(view.state, shown))
  }, [marks])

  return <div ref={host} className="min-h-0 min-w-0 flex-1" />
}
