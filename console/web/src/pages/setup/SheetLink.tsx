import { ExternalLink } from 'lucide-react'
import { useTranslation } from 'react-i18next'

/** Leads to the spreadsheet itself. */
export function SheetLink({ id }: { id: string }) {
  const { t } = useTranslation('setup')
  return <a className="out nowrap" href={`https://docs.google.com/spreadsheets/d/${encodeURIComponent(id)}`} target="_blank" rel="noreferrer">{t('sheets.open')} <ExternalLink aria-hidden="true" /><span className="sr-only">{t('links.newTab')}</span></a>
}
