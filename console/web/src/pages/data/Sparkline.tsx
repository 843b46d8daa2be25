import type { Point } from './figures'

const width = 120
const height = 32

/** A line without axes. The figures beside it say what it shows; days that may still change are dashed. */
export function Sparkline({ points }: { points: readonly Point[] }) {
  const values = points.flatMap((p) => (p.value === null ? [] : [p.value]))
  if (values.length < 2) return null
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const x = (i: number) => (points.length < 2 ? 0 : (i / (points.length - 1)) * width)
  const y = (v: number) => (high === low ? height / 2 : height - 2 - ((v - low) / (high - low)) * (height - 4))
  // A piece of the line belongs to the day it leads to; a day without figures is a gap.
  const path = (provisional: boolean) => {
    let d = ''
    points.forEach((p, i) => {
      const last = points[i - 1]
      if (p.value === null || !last || last.value === null || p.provisional !== provisional) return
      d += `M${x(i - 1).toFixed(1)} ${y(last.value).toFixed(1)}L${x(i).toFixed(1)} ${y(p.value).toFixed(1)}`
    })
    return d
  }
  return (
    <svg className="sparkline" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={path(false)} vectorEffect="non-scaling-stroke" />
      <path d={path(true)} className="provisional" vectorEffect="non-scaling-stroke" />
    </svg>
  )
}
