import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'
import common from './messages/en/common.json'

/**
 * Texts stand in messages/<language>/<area>.json. `common` comes with the page; an area's texts come with the area's code, by
 * `addMessages`. Another language is another folder.
 */
export const language = 'en'

void i18next.use(initReactI18next).init({
  lng: language,
  fallbackLng: 'en',
  defaultNS: 'common',
  resources: { en: { common } },
  interpolation: { escapeValue: false }, // React escapes
  returnNull: false,
})

export function addMessages(area: string, messages: object) {
  i18next.addResourceBundle(language, area, messages)
}

export default i18next
