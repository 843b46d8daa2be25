import { BarChart3, Braces, Megaphone, Sheet, ShoppingBag, type LucideIcon } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { Badge } from '../../ui/Feedback'
import { titleOf } from './catalogue'
import './setup.css'

const icons: Record<string, LucideIcon> = { ga4: BarChart3, meta: Megaphone, shopify: ShoppingBag, google_sheets: Sheet }

export function ServiceIcon({ service }: { service: string }) {
  const Icon = icons[service] ?? Braces
  return <span className="service-icon"><Icon aria-hidden="true" /></span>
}

interface ServiceChoiceProps {
  label: string
  services: readonly string[]
  /** Those that are connected already. */
  connected?: readonly string[]
  onChoose: (service: string) => void
}

/** One button for each service. */
export function ServiceChoice({ label, services, connected = [], onChoose }: ServiceChoiceProps) {
  const { t } = useTranslation('setup')
  return (
    <ul className="service-choice" aria-label={label}>
      {services.map((s) => (
        <li key={s}>
          <button type="button" className="service-card" onClick={() => onChoose(s)}>
            <ServiceIcon service={s} />
            <span className="grow"><strong>{titleOf(s, t)}</strong><span className="option-hint">{t(`services.${s}.text`, { defaultValue: '' })}</span></span>
            {connected.includes(s) && <Badge tone="good">{t('connect.connected')}</Badge>}
          </button>
        </li>
      ))}
    </ul>
  )
}
