import { ExternalLink } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import type { KindSpec } from './catalogue'

/** Where the values of a form are found, step by step. */
export function FieldHelp({ service, spec }: { service: string; spec: KindSpec }) {
  const { t } = useTranslation('setup')
  const key = `help.${spec.kind === 'json' && service !== 'http_json' ? 'json' : `${service}.${spec.kind}`}`
  const steps: unknown = t(key, { returnObjects: true, defaultValue: [] })
  if (!Array.isArray(steps) || steps.length === 0) return null
  return (
    <aside className="field-help" aria-label={t('help.title')}>
      <h3>{t('help.title')}</h3>
      <ol>{steps.map((s) => <li key={String(s)}>{String(s)}</li>)}</ol>
      {spec.links.length > 0 && (
        <ul className="stack-tight">
          {spec.links.map(([text, href]) => (
            <li key={href}><a href={href} target="_blank" rel="noreferrer">{t(`links.${text}`)} <ExternalLink aria-hidden="true" /><span className="sr-only">{t('links.newTab')}</span></a></li>
          ))}
        </ul>
      )}
    </aside>
  )
}
