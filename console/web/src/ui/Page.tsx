import { useEffect, type ReactNode } from 'react'

/** A page: sets the document's title, says its heading, holds what follows. */
export function Page({ title, lead, actions, children }: { title: string; lead?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · TurKey`
  }, [title])
  return (
    <div className="page">
      <div className="page-header">
        <div className="stack-tight">
          <h1>{title}</h1>
          {lead && <p>{lead}</p>}
        </div>
        {actions && <div className="row">{actions}</div>}
      </div>
      {children}
    </div>
  )
}

export function Card({ title, actions, flush = false, children }: { title?: ReactNode; actions?: ReactNode; flush?: boolean; children: ReactNode }) {
  return (
    <section className={`card${flush ? ' flush' : ''}`}>
      {(title || actions) && <header>{title && <h2>{title}</h2>}{actions && <div className="row">{actions}</div>}</header>}
      {children}
    </section>
  )
}

/** Terms and their values. */
export function Defs({ items }: { items: readonly (readonly [ReactNode, ReactNode])[] }) {
  return <dl className="defs">{items.map(([term, value], i) => <div key={i} style={{ display: 'contents' }}><dt>{term}</dt><dd>{value}</dd></div>)}</dl>
}

export function Progress({ label, done, of }: { label: string; done: number; of: number }) {
  const percent = of > 0 ? Math.min(100, Math.round((100 * done) / of)) : 0
  return (
    <div className="progress">
      <div className="row-between small"><span>{label}</span><span className="soft">{percent} %</span></div>
      <div className="bar" role="progressbar" aria-label={label} aria-valuenow={percent} aria-valuemin={0} aria-valuemax={100}>
        <span className="fill" style={{ width: `${percent}%` }} />
      </div>
    </div>
  )
}
