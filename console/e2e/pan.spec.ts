import { expect, picture, test } from './sluice.ts'

// What a frame costs while a flow of 200 steps is panned. Frames a second say how
// loaded the machine is; the processor time that the page itself needs for a
// move does not, so that is what is bound: half of the 16.7 ms of a frame.

const steps = Array.from({ length: 200 }, (_, i) => {
  const row = Math.floor(i / 4)
  return {
    id: `s${i}`,
    uses: ['mapper/map', 'http/request', 'flow/delay', 'code/javascript'][i % 4],
    name: `Step ${i}`,
    after: i === 0 ? [] : i % 4 === 0 ? [`s${(row - 1) * 4 + 1}`, `s${(row - 1) * 4 + 2}`, `s${(row - 1) * 4 + 3}`] : [`s${row * 4}`],
    ...(i % 4 === 1 ? { when: '=body.n > 1' } : {}),
    input: {},
  }
})

test('a flow of 200 steps pans at 60 frames a second', async ({ page, sluice }) => {
  const { id } = await sluice.api<{ id: string }>('POST', '/flows', {
    kind: 'Flow',
    name: 'Two hundred',
    trigger: { uses: 'webhook/receive' },
    steps,
  })
  await page.goto(`${sluice.url}/flows/${id}/edit`)
  await expect(page.locator('.react-flow__node')).toHaveCount(201)
  await page.getByRole('button', { name: 'Show the whole flow' }).click()
  await picture(page, 'two-hundred')
  await page.keyboard.press('Escape')
  await page.reload()
  await expect(page.locator('.react-flow__node')).toHaveCount(201)
  await page.waitForTimeout(500) // what the first showing left to do

  const client = await page.context().newCDPSession(page)
  // In processor time: what else the machine does is not the page's.
  await client.send('Performance.enable', { timeDomain: 'threadTicks' })
  const spent = async () => {
    const { metrics } = await client.send('Performance.getMetrics')
    const of = (name: string) => metrics.find(m => m.name === name)!.value * 1000
    return { script: of('ScriptDuration'), style: of('RecalcStyleDuration'), layout: of('LayoutDuration') }
  }
  const box = (await page.locator('.react-flow__pane').boundingBox())!
  const x = box.x + 60
  let y = box.y + box.height - 120
  await page.mouse.move(x, y)
  await page.mouse.down()
  await page.evaluate(() => {
    const w = window as unknown as { frames: number[]; long: number[] }
    w.frames = []
    w.long = []
    new PerformanceObserver(l => w.long.push(...l.getEntries().map(e => e.duration))).observe({ type: 'longtask' })
    const frame = (t: number) => {
      w.frames.push(t)
      requestAnimationFrame(frame)
    }
    requestAnimationFrame(frame)
  })
  const before = await spent()
  const moves = 120
  for (let i = 0; i < moves; i++) {
    y -= i < moves / 2 ? 5 : -5
    await page.mouse.move(x + (i % 20), y)
  }
  const after = await spent()
  const { frames, long } = await page.evaluate(() => {
    const { frames, long } = window as unknown as { frames: number[]; long: number[] }
    return { frames, long }
  })
  await page.mouse.up()

  const each = (k: keyof typeof before) => (after[k] - before[k]) / moves
  const gaps = frames
    .slice(1)
    .map((t, i) => t - frames[i]!)
    .sort((a, b) => a - b)
  const p = (q: number) => gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * q))]!
  console.log(
    `panning 200 steps: a move costs ${each('script').toFixed(1)} ms of script, ${each('style').toFixed(1)} of style, ${each('layout').toFixed(1)} of layout; ` +
      `${gaps.length} frames, ${p(0.5).toFixed(1)} ms apart at p50 and ${p(0.95).toFixed(1)} at p95; ${long.length} tasks over 50 ms`,
  )
  expect(gaps.length).toBeGreaterThan(30)
  expect(each('script') + each('style') + each('layout')).toBeLessThan(1000 / 60 / 2)
  expect(long.length).toBeLessThan(moves / 10)
})
