import react from '@vitejs/plugin-react'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

// `npm run dev` serves the sources and hands the API on to a running server.
const server = process.env.TURKEY_URL ?? 'http://localhost:3000'

export default defineConfig({
  base: '/console/',
  plugins: [react()],
  resolve: {
    alias: { '@turkey/sdk': here('../../sdk/typescript/src/core.ts') },
  },
  build: {
    outDir: here('../dist'),
    emptyOutDir: true,
    assetsInlineLimit: 0, // the page's policy allows no data: URLs for scripts and styles
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800, // before compression; the page loads under 250 kB
    reportCompressedSize: false,
  },
  server: { proxy: Object.fromEntries(['/v1', '/api', '/health', '/docs', '/.well-known'].map((p) => [p, server])) },
})
