import 'uplot/dist/uPlot.min.css'
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import { useDark } from '../app/theme.ts'
import { type Chart, cell, numeric, type Result, seconds } from './shape.ts'

const colours = ['--accent', '--violet', '--good', '--warn', '--bad', '--info']
const token = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** A result as a picture. The table beside it says the same in words. */
export function ResultChart({ result, chart }: { result: Result; chart: Chart }) {
  return chart.kind === 'bars' ? <Bars result={result} chart={chart} /> : <Lines result={result} chart={chart} />
}

function Bars({ result, chart }: { result: Result; chart: Extract<Chart, { kind: 'bars' }> }) {
  const most = Math.max(...result.rows.map(r => Math.abs(numeric(r[chart.value]) ?? 0)), 0) || 1
  return (
    <ul className="flex flex-col gap-1.5 p-5" aria-label={`${result.columns[chart.value]!.name} by ${result.columns[chart.label]!.name}`}>
      {result.rows.map((r, i) => (
        <li key={i} className="grid grid-cols-[minmax(6rem,14rem)_1fr_auto] items-center gap-3">
          <span className="truncate text-ink-2" title={cell(r[chart.label])}>
            {cell(r[chart.label]) || '(empty)'}
          </span>
          <svg aria-hidden className="h-5 w-full" preserveAspectRatio="none" viewBox="0 0 100 10">
            <rect
              rx="0.6"
              height="10"
              width={Math.max(0.4, (100 * Math.abs(numeric(r[chart.value]) ?? 0)) / most)}
              className="fill-accent"
            />
          </svg>
          <span className="font-mono text-[0.8125rem] tabular-nums">{cell(r[chart.value])}</span>
        </li>
      ))}
    </ul>
  )
}

function Lines({ result, chart }: { result: Result; chart: Extract<Chart, { kind: 'line' }> }) {
  const place = useRef<HTMLDivElement>(null)
  const dark = useDark()
  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme has other colours
  useEffect(() => {
    const el = place.current
    if (!el) return
    const rows = result.rows
      .map(r => ({ x: seconds(r[chart.x]), row: r }))
      .filter((r): r is { x: number; row: (typeof result.rows)[number] } => r.x !== null)
      .sort((a, b) => a.x - b.x)
    const axis = { stroke: token('--ink-3'), grid: { stroke: token('--line'), width: 1 }, ticks: { stroke: token('--line'), width: 1 } }
    const plot = new uPlot(
      {
        width: el.clientWidth,
        height: 280,
        padding: [16, 16, 0, 4],
        axes: [axis, { ...axis, size: 64 }],
        series: [
          {},
          ...chart.y.map((column, i) => ({
            label: result.columns[column]!.name,
            stroke: token(colours[i % colours.length]!),
            width: 2,
            points: { show: rows.length < 40 },
          })),
        ],
      },
      [rows.map(r => r.x), ...chart.y.map(column => rows.map(r => numeric(r.row[column])))] as uPlot.AlignedData,
      el,
    )
    const watch = new ResizeObserver(() => plot.setSize({ width: el.clientWidth, height: 280 }))
    watch.observe(el)
    return () => {
      watch.disconnect()
      plot.destroy()
    }
  }, [result, chart, dark])
  return (
    <div
      ref={place}
      role="img"
      aria-label={`${chart.y.map(i => result.columns[i]!.name).join(', ')} over ${result.columns[chart.x]!.name}`}
      className="min-w-0 overflow-hidden px-2 pb-2"
    />
  )
}
