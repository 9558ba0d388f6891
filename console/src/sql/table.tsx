// biome-ignore-all lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
// biome-ignore-all lint/a11y/useSemanticElements: rows out of sight are not in the page, which a table element cannot lay out
// biome-ignore-all lint/a11y/useFocusableInteractive: the scrolling table has the focus
import { Link } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useRef } from 'react'
import { cell, executionColumn, type Result } from './shape.ts'

const line = 34

/** A result's rows; only those in sight are in the page. */
export function ResultTable({ result }: { result: Result }) {
  const place = useRef<HTMLDivElement>(null)
  const rows = useVirtualizer({ count: result.rows.length, getScrollElement: () => place.current, estimateSize: () => line, overscan: 12 })
  const execution = executionColumn(result)
  const widths = result.columns.map((c, i) => {
    const longest = result.rows.slice(0, 100).reduce((n, r) => Math.max(n, cell(r[i]).length), c.name.length + 4)
    return Math.min(60, Math.max(8, longest)) * 8 + 28
  })
  const width = widths.reduce((a, b) => a + b, 0)
  const right = result.columns.map(c => /Int|Float|Decimal/.test(c.type) && !/Array|Map|Tuple/.test(c.type))
  return (
    <div
      ref={place}
      tabIndex={0}
      role="table"
      aria-label="Result"
      aria-rowcount={result.rows.length + 1}
      className="max-h-[28rem] overflow-auto"
    >
      <div role="rowgroup" className="sticky top-0 z-10 min-w-full bg-raised" style={{ width }}>
        <div role="row" className="flex border-b border-line">
          {result.columns.map((c, i) => (
            <div
              key={i}
              role="columnheader"
              title={c.type}
              style={{ width: widths[i] }}
              className={`shrink-0 truncate px-3.5 py-2 text-[0.8125rem] font-medium text-ink-2 ${right[i] ? 'text-right' : ''}`}
            >
              {c.name}
            </div>
          ))}
        </div>
      </div>
      <div role="rowgroup" className="relative min-w-full" style={{ height: rows.getTotalSize(), width }}>
        {rows.getVirtualItems().map(item => (
          <div
            key={item.key}
            role="row"
            aria-rowindex={item.index + 2}
            className="absolute left-0 flex min-w-full border-b border-line/60 hover:bg-hover"
            style={{ top: item.start, height: line }}
          >
            {result.columns.map((_, i) => {
              const text = cell(result.rows[item.index]![i])
              return (
                <div
                  key={i}
                  role="cell"
                  title={text.length > 40 ? text.slice(0, 2000) : undefined}
                  style={{ width: widths[i] }}
                  className={`shrink-0 truncate px-3.5 py-1.5 font-mono text-[0.8125rem] ${right[i] ? 'text-right tabular-nums' : ''}`}
                >
                  {i === execution && text ? (
                    <Link to={`/executions/${text}` as never} className="text-accent-ink underline-offset-2 hover:underline">
                      {text}
                    </Link>
                  ) : result.rows[item.index]![i] === null ? (
                    <span className="text-ink-3">null</span>
                  ) : (
                    text.slice(0, 400)
                  )}
                </div>
              )
            })}
          </div>
        ))}
      </div>
    </div>
  )
}
