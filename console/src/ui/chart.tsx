import { type PointerEvent, type ReactNode, useState } from 'react'
import { number } from './time.ts'

export interface Stack {
  name: string
  colour: string
  values: number[]
}

/** The next round number: 1, 2 or 5 with zeros. */
export function roundUp(v: number): number {
  if (!(v > 0)) return 1
  const unit = 10 ** Math.floor(Math.log10(v))
  const top = [1, 2, 5, 10].find(n => n * unit >= v * (1 - 1e-9)) ?? 10
  return top * unit
}

/** What both charts stand in: a scale, a line of times, and what one points at, in words. */
function Frame({
  label,
  at,
  top,
  format,
  time,
  height,
  read,
  middle = true,
  children,
}: {
  label: string
  at: number[]
  top: number
  format: (v: number) => string
  time: (at: number) => string
  height: number
  read: (i: number) => { name: string; colour: string; text: string }[]
  /** Whether half of the scale is said, too. */
  middle?: boolean
  children: ReactNode
}) {
  const [over, setOver] = useState<number>()
  const i = over === undefined || over >= at.length ? undefined : over
  const place = (e: PointerEvent) => {
    const box = e.currentTarget.getBoundingClientRect()
    setOver(Math.max(0, Math.min(at.length - 1, Math.floor(((e.clientX - box.left) / box.width) * at.length))))
  }
  const share = i === undefined ? 0 : ((i + 0.5) / Math.max(1, at.length)) * 100
  return (
    <figure className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-2 gap-y-1.5">
      <div
        aria-hidden
        className="flex min-w-8 flex-col justify-between text-right text-[0.6875rem] text-ink-3 tabular-nums"
        style={{ height }}
      >
        <span>{format(top)}</span>
        <span>{middle ? format(top / 2) : ''}</span>
        <span>0</span>
      </div>
      <div className="relative min-w-0" onPointerMove={place} onPointerLeave={() => setOver(undefined)}>
        <svg
          role="img"
          aria-label={label}
          className="block w-full border-b border-line-strong"
          height={height}
          viewBox={`0 0 100 ${height}`}
          preserveAspectRatio="none"
        >
          {[0.5, height / 2].map(y => (
            <line key={y} x1={0} x2={100} y1={y} y2={y} stroke="var(--line)" vectorEffect="non-scaling-stroke" />
          ))}
          {children}
          {i !== undefined && (
            <line x1={share} x2={share} y1={0} y2={height} stroke="var(--ink-3)" strokeDasharray="3 3" vectorEffect="non-scaling-stroke" />
          )}
        </svg>
        {i !== undefined && (
          <div
            className={`pointer-events-none absolute top-1 z-10 rounded-lg border border-line bg-raised px-2.5 py-1.5 text-xs shadow-pop ${share > 50 ? '-translate-x-[calc(100%+8px)]' : 'translate-x-2'}`}
            style={{ left: `${share}%` }}
          >
            <p className="whitespace-nowrap text-ink-3">{time(at[i]!)}</p>
            {read(i).map(r => (
              <p key={r.name} className="flex items-center gap-1.5 whitespace-nowrap tabular-nums">
                <span aria-hidden className="size-2 rounded-sm" style={{ background: r.colour }} />
                {r.name} <span className="ml-auto pl-3 font-medium">{r.text}</span>
              </p>
            ))}
          </div>
        )}
      </div>
      <div aria-hidden className="col-start-2 flex justify-between text-[0.6875rem] text-ink-3 tabular-nums">
        {at.length > 0 && (
          <>
            <span>{time(at[0]!)}</span>
            {at.length > 2 && <span>{time(at[Math.floor(at.length / 2)]!)}</span>}
            {at.length > 1 && <span>{time(at.at(-1)!)}</span>}
          </>
        )}
      </div>
    </figure>
  )
}

/** Columns over time, stacked. */
export function Columns({
  label,
  at,
  stacks,
  height = 140,
  time,
}: {
  label: string
  at: number[]
  stacks: Stack[]
  height?: number
  time: (at: number) => string
}) {
  const totals = at.map((_, i) => stacks.reduce((n, s) => n + (s.values[i] ?? 0), 0))
  const top = roundUp(Math.max(2, ...totals))
  const w = 100 / Math.max(1, at.length)
  return (
    <Frame
      label={label}
      at={at}
      top={top}
      format={number}
      middle={top % 2 === 0}
      time={time}
      height={height}
      read={i => stacks.map(s => ({ name: s.name, colour: s.colour, text: number(s.values[i] ?? 0) }))}
    >
      {at.map((t, i) => {
        let y = height
        return stacks.map(s => {
          const v = s.values[i] ?? 0
          if (v === 0) return null
          const h = Math.max(2, (v / top) * (height - 2))
          y -= h
          return <rect key={`${t} ${s.name}`} x={i * w + w * 0.12} y={y} width={w * 0.76} height={h} fill={s.colour} />
        })
      })}
    </Frame>
  )
}

/** A line's path: runs of neighbours, and those that stand alone, which a line alone would not show. */
export function pathOf(values: number[], x: (i: number) => number, y: (v: number) => number): { line: string; dots: string } {
  let line = ''
  let dots = ''
  values.forEach((v, i) => {
    if (!Number.isFinite(v)) return
    const before = Number.isFinite(values[i - 1])
    if (!before && !Number.isFinite(values[i + 1])) dots += `M${x(i)},${y(v)}h0`
    else line += `${before ? 'L' : 'M'}${x(i)},${y(v)}`
  })
  return { line, dots }
}

/** Lines over a common scale; NaN leaves a gap. */
export function Lines({
  label,
  at,
  lines,
  height = 140,
  format,
  time,
}: {
  label: string
  at: number[]
  lines: Stack[]
  height?: number
  format: (v: number) => string
  time: (at: number) => string
}) {
  const top = roundUp(Math.max(1e-3, ...lines.flatMap(l => l.values.filter(Number.isFinite))))
  const x = (i: number) => ((i + 0.5) / Math.max(1, at.length)) * 100
  const y = (v: number) => height - 2 - (v / top) * (height - 6)
  return (
    <Frame
      label={label}
      at={at}
      top={top}
      format={format}
      time={time}
      height={height}
      read={i =>
        lines.map(l => ({ name: l.name, colour: l.colour, text: Number.isFinite(l.values[i]) ? format(l.values[i]!) : 'nothing ended' }))
      }
    >
      {lines.map(l => {
        const { line, dots } = pathOf(l.values, x, y)
        return (
          <g key={l.name} fill="none" stroke={l.colour} strokeLinecap="round" strokeLinejoin="round">
            {line && <path d={line} strokeWidth={2} vectorEffect="non-scaling-stroke" />}
            {dots && <path data-dots d={dots} strokeWidth={6} vectorEffect="non-scaling-stroke" />}
          </g>
        )
      })}
    </Frame>
  )
}

export function Legend({ items }: { items: { name: string; colour: string }[] }) {
  return (
    <ul className="flex flex-wrap gap-x-4 gap-y-1 text-xs text-ink-2">
      {items.map(i => (
        <li key={i.name} className="flex items-center gap-1.5">
          <span aria-hidden className="size-2.5 rounded-sm" style={{ background: i.colour }} />
          {i.name}
        </li>
      ))}
    </ul>
  )
}
