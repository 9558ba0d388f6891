import { execFileSync } from 'node:child_process'
import { defineConfig } from '@playwright/test'

// Debian's Chromium, or what SLUICE_CHROMIUM names: none is downloaded.
function chromium(): string {
  for (const name of [process.env.SLUICE_CHROMIUM, 'chromium', 'chromium-browser', 'google-chrome']) {
    if (!name) continue
    try {
      return execFileSync('which', [name], { encoding: 'utf8' }).trim()
    } catch {}
  }
  throw new Error('Chromium is missing: install it (Debian: apt-get install chromium), or name one by SLUICE_CHROMIUM')
}

const timed = /(million|pan|payload)\.spec\.ts/

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  fullyParallel: true,
  workers: 2,
  timeout: 60_000,
  retries: process.env.CI ? 1 : 0, // a second try is reported as flaky
  expect: { timeout: 10_000 },
  reporter: process.env.CI ? 'line' : 'list',
  // What is timed runs when all else has ended, and alone.
  projects: [
    { name: 'all', testIgnore: timed },
    { name: 'timed', testMatch: timed, dependencies: ['all'], workers: 1 },
  ],
  use: {
    actionTimeout: 15_000,
    launchOptions: { executablePath: chromium(), args: ['--no-sandbox', '--disable-dev-shm-usage'] },
    viewport: { width: 1440, height: 900 },
    trace: 'retain-on-failure',
    permissions: ['clipboard-read', 'clipboard-write'],
  },
})
