import { number } from './time.ts'

export interface Stack {
  name: string
  colour: string
  values: number[]
}

/** Columns over time, stacked. What it shows is also a table, for those who do not see it. */
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
  const top = Math.max(1, ...totals)
  const w = 100 / Math.max(1, at.length)
  return (
    <figure className="flex flex-col gap-1.5">
      <div className="flex gap-2">
        <div
          aria-hidden
          className="flex w-8 flex-col justify-between text-right text-[0.6875rem] text-ink-3 tabular-nums"
          style={{ height }}
        >
          <span>{number(top)}</span>
          <span>0</span>
        </div>
        <svg
          role="img"
          aria-label={label}
          className="min-w-0 flex-1 border-b border-line"
          height={height}
          viewBox={`0 0 100 ${height}`}
          preserveAspectRatio="none"
        >
          {at.map((t, i) => {
            let y = height
            return (
              <g key={t}>
                <title>{`${time(t)}: ${stacks.map(s => `${number(s.values[i] ?? 0)} ${s.name}`).join(', ')}`}</title>
                <rect x={i * w} y={0} width={w} height={height} fill="transparent" />
                {stacks.map(s => {
                  const v = s.values[i] ?? 0
                  const h = v === 0 ? 0 : Math.max(2, (v / top) * (height - 4))
                  y -= h
                  return <rect key={s.name} x={i * w + w * 0.12} y={y} width={w * 0.76} height={h} fill={s.colour} />
                })}
              </g>
            )
          })}
        </svg>
      </div>
      <div aria-hidden className="flex justify-between pl-10 text-[0.6875rem] text-ink-3">
        {at.length > 0 && (
          <>
            <span>{time(at[0]!)}</span>
            <span>{time(at[Math.floor(at.length / 2)]!)}</span>
            <span>{time(at.at(-1)!)}</span>
          </>
        )}
      </div>
    </figure>
  )
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
  const top = Math.max(1e-9, ...lines.flatMap(l => l.values.filter(Number.isFinite)))
  const x = (i: number) => (at.length < 2 ? 50 : (i / (at.length - 1)) * 100)
  const y = (v: number) => height - 2 - (v / top) * (height - 6)
  const d = (values: number[]) =>
    values.map((v, i) => (Number.isFinite(v) ? `${i > 0 && Number.isFinite(values[i - 1]) ? 'L' : 'M'}${x(i)},${y(v)}` : '')).join('')
  return (
    <figure className="flex flex-col gap-1.5">
      <div className="flex gap-2">
        <div
          aria-hidden
          className="flex w-12 flex-col justify-between text-right text-[0.6875rem] text-ink-3 tabular-nums"
          style={{ height }}
        >
          <span>{format(top)}</span>
          <span>0</span>
        </div>
        <svg
          role="img"
          aria-label={label}
          className="min-w-0 flex-1 border-b border-line"
          height={height}
          viewBox={`0 0 100 ${height}`}
          preserveAspectRatio="none"
        >
          {lines.map(l => (
            <path
              key={l.name}
              d={d(l.values)}
              fill="none"
              stroke={l.colour}
              strokeWidth={2}
              vectorEffect="non-scaling-stroke"
              strokeLinecap="round"
            />
          ))}
        </svg>
      </div>
      <div aria-hidden className="flex justify-between pl-14 text-[0.6875rem] text-ink-3">
        {at.length > 0 && (
          <>
            <span>{time(at[0]!)}</span>
            <span>{time(at.at(-1)!)}</span>
          </>
        )}
      </div>
    </figure>
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
