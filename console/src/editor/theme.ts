import { HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import { EditorView } from '@codemirror/view'
import { tags as t } from '@lezer/highlight'

// Colours are the console's tokens, so that light and dark need no second theme.

export const theme = [
  EditorView.theme({
    '&': { color: 'var(--ink)', backgroundColor: 'transparent', fontSize: '0.8125rem', maxHeight: 'inherit', height: '100%' },
    '&.cm-focused': { outline: 'none' },
    '.cm-scroller': { fontFamily: 'var(--font-mono, "JetBrains Mono", ui-monospace, monospace)', lineHeight: '1.6', overflow: 'auto' },
    '.cm-content': { padding: '6px 0', caretColor: 'var(--accent)' },
    '.cm-line': { padding: '0 10px' },
    '.cm-cursor': { borderLeftColor: 'var(--accent)', borderLeftWidth: '2px' },
    '.cm-placeholder': { color: 'var(--ink-3)' },
    '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
      backgroundColor: 'color-mix(in srgb, var(--accent) 25%, transparent)',
    },
    '.cm-gutters': { backgroundColor: 'transparent', color: 'var(--ink-3)', border: 'none' },
    '.cm-lineNumbers .cm-gutterElement': { padding: '0 4px 0 12px', minWidth: '2.5rem' },
    '.cm-activeLine': { backgroundColor: 'transparent' },
    '.cm-focused .cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--accent) 6%, transparent)' },
    '.cm-activeLineGutter': { backgroundColor: 'transparent', color: 'var(--ink)' },
    '&.cm-focused .cm-matchingBracket': {
      backgroundColor: 'var(--accent-soft)',
      outline: '1px solid color-mix(in srgb, var(--accent) 45%, transparent)',
    },
    '&.cm-focused .cm-nonmatchingBracket': { backgroundColor: 'var(--bad-soft)', color: 'var(--bad)' },
    '.cm-foldPlaceholder': { backgroundColor: 'var(--sunken)', border: '1px solid var(--line)', color: 'var(--ink-3)', padding: '0 6px' },
    '.cm-lintRange-error': {
      backgroundImage: 'none',
      textDecoration: 'underline wavy var(--bad)',
      textUnderlineOffset: '3px',
      textDecorationSkipInk: 'none',
    },
    '.cm-lintRange-warning': {
      backgroundImage: 'none',
      textDecoration: 'underline wavy var(--warn)',
      textUnderlineOffset: '3px',
      textDecorationSkipInk: 'none',
    },
    '.cm-lintPoint-error:after': { borderBottomColor: 'var(--bad)' },
    '.cm-tooltip': {
      backgroundColor: 'var(--raised)',
      color: 'var(--ink)',
      border: '1px solid var(--line)',
      borderRadius: '10px',
      boxShadow: 'var(--shadow-pop)',
      overflow: 'hidden',
      fontSize: '0.8125rem',
    },
    '.cm-tooltip.cm-tooltip-autocomplete > ul': {
      fontFamily: 'var(--font-mono, "JetBrains Mono", ui-monospace, monospace)',
      maxHeight: '16rem',
      padding: '4px',
    },
    '.cm-tooltip.cm-tooltip-autocomplete > ul > li': {
      display: 'flex',
      alignItems: 'baseline',
      gap: '0.75rem',
      padding: '3px 8px',
      borderRadius: '6px',
    },
    '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--accent-soft)', color: 'var(--accent-ink)' },
    '.cm-completionMatchedText': { textDecoration: 'none', fontWeight: '600', color: 'var(--accent-ink)' },
    '.cm-completionDetail': {
      marginLeft: 'auto',
      color: 'var(--ink-3)',
      fontStyle: 'normal',
      fontSize: '0.75rem',
      maxWidth: '16rem',
      overflow: 'hidden',
      textOverflow: 'ellipsis',
    },
    '.cm-tooltip.cm-completionInfo': { padding: '8px 10px', maxWidth: '20rem', lineHeight: '1.5', overflow: 'visible' },
    '.cm-tooltip-lint': { padding: '2px 0' },
    '.cm-diagnostic': { padding: '6px 10px', borderLeft: '3px solid var(--bad)' },
    '.cm-diagnostic-warning': { borderLeftColor: 'var(--warn)' },
  }),
  syntaxHighlighting(
    HighlightStyle.define([
      { tag: [t.string, t.special(t.string)], color: 'var(--good)' },
      { tag: [t.number], color: 'var(--info)' },
      { tag: [t.bool, t.null, t.atom], color: 'var(--violet)' },
      { tag: [t.keyword, t.operatorKeyword], color: 'var(--violet)', fontWeight: '600' },
      { tag: [t.function(t.variableName)], color: 'var(--accent-ink)', fontWeight: '500' },
      { tag: [t.special(t.variableName)], color: 'var(--warn)' },
      { tag: [t.definition(t.propertyName), t.propertyName], color: 'var(--accent-ink)' },
      { tag: [t.regexp], color: 'var(--warn)' },
      { tag: [t.comment, t.lineComment, t.blockComment], color: 'var(--ink-3)', fontStyle: 'italic' },
      { tag: [t.operator, t.punctuation, t.separator, t.meta], color: 'var(--ink-2)' },
      { tag: [t.invalid], color: 'var(--bad)' },
    ]),
  ),
]
