import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

/** Bundles what a page imports from the package, as a production build does. */
async function bundle(contents) {
  const result = await build({
    stdin: { contents, resolveDir: process.cwd() }, bundle: true, minify: true, format: 'esm', external: ['jose', 'react'], write: false, metafile: true,
  })
  const [output] = Object.values(result.metafile.outputs)
  const inputs = Object.entries(output.inputs).filter(([, i]) => i.bytesInOutput > 0).map(([name]) => name)
  return { size: gzipSync(result.outputFiles[0].contents).length, inputs, imports: [...new Set(output.imports.map((i) => i.path))] }
}

test('what is not used is not in the bundle', async (t) => {
  const core = await bundle(`export { TurKeyClient } from '@turkey/sdk'`)
  const session = await bundle(`export { TurKeyClient, Session } from '@turkey/sdk'`)
  const whole = await bundle(`export { TurKeyClient, Session, createApi } from '@turkey/sdk'`)
  t.diagnostic(`gzip: TurKeyClient ${core.size}, with Session ${session.size}, with createApi ${whole.size} bytes`)
  assert.ok(core.size <= 12_000 && session.size <= 12_000, `${core.size}, ${session.size} bytes`)
  assert.ok(!session.inputs.some((i) => /react|middleware|api|storage-/.test(i)), session.inputs.join())
  assert.deepEqual(core.imports, ['jose'])
})

test('the core has no module of Node and no Buffer', async () => {
  const { outputFiles } = await build({ entryPoints: ['dist/esm/core.js'], bundle: true, format: 'esm', external: ['jose'], write: false, platform: 'neutral' })
  assert.doesNotMatch(outputFiles[0].text, /\bBuffer\b|from ['"]node:|require\(/)
})
