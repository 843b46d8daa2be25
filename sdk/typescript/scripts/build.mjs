// Builds dist/: one file for each source file, as ESM and as CommonJS, and the types of both.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

process.chdir(fileURLToPath(new URL('../', import.meta.url)))
rmSync('dist', { recursive: true, force: true })
const entryPoints = readdirSync('src', { recursive: true }).filter((f) => f.endsWith('.ts')).map((f) => 'src/' + f)
// Without bundling: an import() of jose, which has no CommonJS, stays one in both forms.
const options = { entryPoints, outbase: 'src', target: 'es2022', logLevel: 'warning' }
await Promise.all([
  build({ ...options, format: 'esm', outdir: 'dist/esm' }),
  build({ ...options, format: 'cjs', outdir: 'dist/cjs', platform: 'node' }),
])
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'], { stdio: 'inherit' })
cpSync('dist/esm', 'dist/cjs', { recursive: true, filter: (f) => !f.endsWith('.js') })
mkdirSync('dist/cjs', { recursive: true })
cpSync('peer/optional.cjs', 'dist/cjs/peer.cjs')
const scope = { type: 'commonjs', sideEffects: false, imports: { '#react': './peer.cjs' } }
writeFileSync('dist/cjs/package.json', JSON.stringify(scope, undefined, 2) + '\n')
