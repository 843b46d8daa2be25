// Copies pictures as WebP, a third of their size: they are part of the program. node pictures.mjs <from> <to> <name>...
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startBrowser } from '../test/harness.mjs'

const [from, to, ...names] = process.argv.slice(2)
const browser = await startBrowser()
const page = await browser.newPage()
for (const name of names) {
  const png = readFileSync(join(from, `${name}.png`)).toString('base64')
  const webp = await page.evaluate(async (data) => {
    const image = new Image()
    image.src = `data:image/png;base64,${data}`
    await image.decode()
    const canvas = document.createElement('canvas')
    canvas.width = image.width
    canvas.height = image.height
    canvas.getContext('2d').drawImage(image, 0, 0)
    return canvas.toDataURL('image/webp', 0.82).split(',')[1]
  }, png)
  writeFileSync(join(to, `${name}.webp`), Buffer.from(webp, 'base64'))
}
await browser.close()
