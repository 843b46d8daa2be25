import 'uplot/dist/uPlot.min.css'
import { useEffect, useRef, useState } from 'react'
import uPlot from 'uplot'
import { language } from '../../i18n'
import type { Point } from './figures'

interface ChartProps {
  label: string
  points: readonly Point[]
  /** Says a value at the axis, where there is little room. */
  tick: (value: number) => string
  /** The day under the pointer. */
  onPoint: (point: Point | null) => void
}

const height = 168

/** One metric over days: settled days as a line, days that may still change dashed with hollow points, days without figures as gaps. */
export default function Chart({ label, points, tick, onPoint }: ChartProps) {
  const box = useRef<HTMLDivElement>(null)
  const look = useLook()
  useEffect(() => {
    const el = box.current
    if (!el) return
    const style = getComputedStyle(el)
    const [line, soft, grid] = [style.color, style.getPropertyValue('outline-color'), style.getPropertyValue('border-top-color')]
    const font = `12px ${style.fontFamily}`
    // The dashed line begins at the last settled day, so that the two meet.
    const settled = points.map((p) => (p.provisional ? null : p.value))
    const open = points.map((p, i) => (p.provisional || points[i + 1]?.provisional ? p.value : null))
    const chart = new uPlot({
      width: el.clientWidth || 300,
      height,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'), // a day is a day, whatever zone the browser is in
      padding: [10, 10, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { y: { range: (_, low, high) => (low === high ? [Math.min(0, low), high || 1] : [Math.min(0, low), high * 1.08]) } },
      axes: [
        { stroke: soft, font, grid: { show: false }, ticks: { show: false }, space: 70, size: 30, incrs: [86_400, 2 * 86_400, 7 * 86_400, 14 * 86_400, 30 * 86_400, 91 * 86_400], values: (_, days) => days.map(shortDay) },
        { stroke: soft, font, size: 58, space: 40, grid: { stroke: grid, width: 1 }, ticks: { show: false }, values: (_, ticks) => ticks.map((v) => tick(v)) },
      ],
      series: [
        {},
        { stroke: line, width: 2, points: { show: points.length <= 31, size: 5, fill: line } },
        { stroke: line, width: 2, dash: [4, 4], alpha: 0.7, points: { show: points.length <= 31, size: 6, fill: style.backgroundColor } },
      ],
      hooks: { setCursor: [(u) => onPoint(u.cursor.idx === null || u.cursor.idx === undefined || (u.cursor.left ?? -1) < 0 ? null : (points[u.cursor.idx] ?? null))] },
    }, [points.map((p) => Date.parse(`${p.day}T00:00:00Z`) / 1000), settled, open], el)
    const sized = new ResizeObserver(() => el.clientWidth > 0 && chart.setSize({ width: el.clientWidth, height }))
    sized.observe(el)
    return () => {
      sized.disconnect()
      chart.destroy()
    }
  }, [points, tick, onPoint, look])
  return <div className="chart" role="img" aria-label={label} ref={box} />
}

const shortDay = (seconds: number) => new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short', timeZone: 'UTC' }).format(seconds * 1000)

/** Counts up when the colours change: a canvas does not follow by itself. */
function useLook() {
  const [look, setLook] = useState(0)
  useEffect(() => {
    const changed = () => setLook((n) => n + 1)
    const dark = matchMedia('(prefers-color-scheme: dark)')
    const theme = new MutationObserver(changed)
    dark.addEventListener('change', changed)
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
    return () => {
      dark.removeEventListener('change', changed)
      theme.disconnect()
    }
  }, [])
  return look
}
