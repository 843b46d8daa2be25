import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

const source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Runs axe in the page, past its content policy. */
export async function AxeBuilder(page) {
  const client = await page.context().newCDPSession(page)
  try {
    const has = await client.send('Runtime.evaluate', { expression: 'typeof axe', returnByValue: true })
    if (has.result.value === 'undefined') await client.send('Runtime.evaluate', { expression: source })
    const options = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }
    const { result, exceptionDetails } = await client.send('Runtime.evaluate', {
      expression: `axe.run(document, ${JSON.stringify(options)}).then((r) => r.violations)`, awaitPromise: true, returnByValue: true,
    })
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  } finally {
    await client.detach()
  }
}
