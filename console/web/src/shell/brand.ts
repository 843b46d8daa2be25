import type { schemas } from '@turkey/sdk'
import { createContext, useContext } from 'react'

/** What is known of the app before anybody has signed in; null: the house's own app, or an app that nobody made yet. */
export const EntranceContext = createContext<schemas.Entrance | null>(null)

export const useEntrance = () => useContext(EntranceContext)

/** Asks for the look of an app. Where it cannot be had, the house's own does. */
export async function entrance(app: string | undefined): Promise<schemas.Entrance | null> {
  if (!app) return null
  try {
    const response = await fetch(`/v1/apps/${app}`, { signal: AbortSignal.timeout(3000) })
    return response.ok ? ((await response.json()) as { data: schemas.Entrance }).data : null
  } catch {
    return null
  }
}

/** Puts an app's colour in place of the house's, as light or dark as it has to be to be read. */
export function paint(color: string) {
  const rgb = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16)) as [number, number, number]
  const onLight = readable(rgb, [255, 255, 255])
  const onDark = readable(rgb, [28, 26, 25])
  const style = document.documentElement.style
  style.setProperty('--brand', `light-dark(${hex(onLight)}, ${hex(onDark)})`)
  style.setProperty('--brand-strong', `light-dark(${hex(mix(onLight, [0, 0, 0], 0.2))}, ${hex(mix(onDark, [255, 255, 255], 0.2))})`)
  style.setProperty('--on-brand', `light-dark(#ffffff, ${hex(mix(onDark, [0, 0, 0], 0.85))})`)
  style.setProperty('--brand-soft', `light-dark(${hex(mix(onLight, [255, 255, 255], 0.92))}, ${hex(mix(onDark, [28, 26, 25], 0.85))})`)
}

type RGB = [number, number, number]

const mix = (a: RGB, b: RGB, share: number) => a.map((v, i) => Math.round(v + ((b[i] ?? 0) - v) * share)) as RGB
const hex = (c: RGB) => `#${c.map((v) => v.toString(16).padStart(2, '0')).join('')}`

/** Relative luminance and contrast (WCAG 2.2). */
const luminance = (c: RGB) => {
  const [r, g, b] = c.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4)) as RGB
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
const contrast = (a: RGB, b: RGB) => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number]
  return (high + 0.05) / (low + 0.05)
}

/** The colour nearest to the given one that can be read on the ground: 5.2 leaves room for tinted grounds. */
function readable(color: RGB, ground: RGB): RGB {
  const towards: RGB = luminance(ground) > 0.5 ? [0, 0, 0] : [255, 255, 255]
  for (let share = 0; share < 1; share += 0.05) {
    const one = mix(color, towards, share)
    if (contrast(one, ground) >= 5.2) return one
  }
  return towards
}
