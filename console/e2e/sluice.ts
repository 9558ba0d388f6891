import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test as base, expect, type Page } from '@playwright/test'
import axe from 'axe-core'

// One `sluice dev` a worker, on free ports and with data of its own. A test fails
// on anything that the browser's console reports as an error.

const here = new URL('.', import.meta.url).pathname
const binary = join(here, '../../bin/sluice')
const screens = join(here, '../screens')

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

export class Sluice {
  readonly url: string
  readonly hooks: string
  readonly petstore: string
  readonly apiKey = 'demo-key'
  private process?: ChildProcess
  private constructor(
    private readonly data: string,
    private readonly ports: number[],
    private readonly env: Record<string, string>,
  ) {
    this.url = `http://127.0.0.1:${ports[0]}`
    this.hooks = `http://127.0.0.1:${ports[1]}`
    this.petstore = `http://127.0.0.1:${ports[2]}/v2`
  }

  /** On data of its own, or on a folder that was filled before. Closing it removes either. */
  static async make(env: Record<string, string> = {}, data = mkdtempSync(join(tmpdir(), 'sluice-e2e-'))): Promise<Sluice> {
    const s = new Sluice(data, [await freePort(), await freePort(), await freePort()], env)
    await s.start()
    return s
  }

  async start() {
    const log: string[] = []
    this.process = spawn(binary, ['dev', '--demo'], {
      env: {
        ...process.env,
        SLUICE_DATA_DIR: this.data,
        SLUICE_CONSOLE_ADDR: `127.0.0.1:${this.ports[0]}`,
        SLUICE_INGEST_ADDR: `127.0.0.1:${this.ports[1]}`,
        SLUICE_PETSTORE_ADDR: `127.0.0.1:${this.ports[2]}`,
        ...this.env,
      },
    })
    this.process.stdout!.on('data', d => log.push(String(d)))
    this.process.stderr!.on('data', d => log.push(String(d)))
    const until = Date.now() + 30_000
    for (;;) {
      if (log.join('').includes('Try it:')) return
      if (this.process.exitCode !== null || Date.now() > until)
        throw new Error(`sluice dev did not start (make build?):\n${log.join('').slice(-3000)}`)
      await new Promise(r => setTimeout(r, 50))
    }
  }

  async stop() {
    const p = this.process
    if (!p || p.exitCode !== null) return
    const ended = new Promise(r => p.once('exit', r))
    p.kill('SIGTERM')
    await ended
  }

  async close() {
    await this.stop()
    rmSync(this.data, { recursive: true, force: true })
  }

  /** Asks the API. */
  async api<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return (text ? JSON.parse(text) : undefined) as T
  }

  async hook(flow: string, body: unknown) {
    const answer = await fetch(`${this.hooks}/hook/${flow}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!answer.ok) throw new Error(`hook: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as { requestId: string }
  }
}

export const test = base.extend<{ quiet: undefined }, { sluice: Sluice }>({
  sluice: [
    // biome-ignore lint/correctness/noEmptyPattern: how Playwright wants it
    async ({}, use) => {
      const s = await Sluice.make()
      await use(s)
      await s.close()
    },
    { scope: 'worker' },
  ],
  // Every test: no console error, no exception.
  quiet: [
    async ({ page }, use, info) => {
      const said: string[] = []
      page.on('console', m => m.type() === 'error' && said.push(`${m.text()} (${m.location().url})`))
      page.on('pageerror', e => said.push(String(e)))
      await use(undefined)
      const allowed = info.annotations.filter(a => a.type === 'allow').map(a => new RegExp(a.description ?? ''))
      expect(
        said.filter(s => !allowed.some(a => a.test(s))),
        'errors in the browser’s console',
      ).toEqual([])
    },
    { auto: true },
  ],
})

/** Allows console errors that the test provokes: a refused request is logged by the browser itself. */
export const allow = (pattern: string) => test.info().annotations.push({ type: 'allow', description: pattern })

/** No violation of level serious or worse on what is shown now. */
export async function accessible(page: Page, what: string) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source)
  // What is still fading in has no contrast yet.
  await page.evaluate(() =>
    Promise.all(
      document
        .getAnimations()
        .filter(a => a.effect?.getComputedTiming().iterations === 1)
        .map(a => a.finished.catch(() => {})),
    ),
  )
  const violations = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof import('axe-core') }
    const r = await axe.run(document, { resultTypes: ['violations'] })
    return r.violations
      .filter(v => v.impact === 'serious' || v.impact === 'critical')
      .map(v => `${v.id}: ${v.nodes.map(n => `${n.html.slice(0, 160)} ${n.any[0]?.message ?? ''}`).join(' | ')}`)
  })
  expect(violations, `accessibility of ${what}`).toEqual([])
}

/** Keeps a picture of the screen in console/screens, for people to look at. */
export async function picture(page: Page, name: string) {
  mkdirSync(screens, { recursive: true })
  await page.screenshot({ path: join(screens, `${name}.png`) })
}

export { expect }
