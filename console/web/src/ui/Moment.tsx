import { ago, time } from '../format'

/** A time as people say it, with the exact one behind it. */
export function Moment({ at }: { at: string | null | undefined }) {
  if (!at) return <span className="soft">–</span>
  return <time dateTime={at} title={time(at)} className="nowrap">{ago(at)}</time>
}
