import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import tailwind from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

const dist = new URL('./dist/', import.meta.url).pathname

// The binary embeds dist and answers the compressed form of a file as it is.
// dist/README is committed, so that Go has something to embed in a fresh clone.
function forTheBinary(): Plugin {
  return {
    name: 'for-the-binary',
    apply: 'build',
    buildStart() {
      for (const name of readdirSync(dist)) if (name !== 'README') rmSync(join(dist, name), { recursive: true })
    },
    closeBundle() {
      for (const name of readdirSync(dist, { recursive: true }) as string[]) {
        const file = join(dist, name)
        if (!statSync(file).isFile() || !/\.(js|css|svg)$/.test(name)) continue
        const content = readFileSync(file)
        writeFileSync(`${file}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }))
        writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }))
      }
    },
  }
}

export default defineConfig({
  plugins: [react(), tailwind(), forTheBinary()],
  build: {
    outDir: 'dist',
    emptyOutDir: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2023',
    chunkSizeWarningLimit: 700,
    manifest: true,
  },
  // `npm run dev` beside a running `sluice dev`.
  server: { proxy: { '/api': process.env.SLUICE_API ?? 'http://127.0.0.1:8090' } },
})
