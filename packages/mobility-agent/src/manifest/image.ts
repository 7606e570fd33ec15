import fs from 'node:fs';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { type Partition, PartitionSchema } from '@holdfast/protocol';
import { probe } from './blkid.ts';
import { type Content, type DiskDescription, PARTITION_LIMIT, SECTOR, wholeDisk } from './disk-description.ts';
import { countOf, looseList, looseOf, parseJson, textOf, UINT32 } from './fields.ts';
import type { SystemView } from './system-view.ts';

/** An image file, as far as sfdisk and blkid can tell without any rights. */
export const collectImage = async (system: SystemView, file: string): Promise<DiskDescription> => {
  const { size } = fs.statSync(file);
  const table = looseOf(looseOf(parseJson(await system.run('sfdisk', '--json', file)))['partitiontable']);
  const sectorSize = countOf(table['sectorsize'], UINT32) || SECTOR;
  const partitions: Partition[] = [];
  for (const [index, entry] of looseList(table['partitions'], PARTITION_LIMIT).entries()) {
    const offset = countOf(entry['start']) * sectorSize;
    partitions.push(
      create(PartitionSchema, {
        // sfdisk calls partitions of "disk.img" "disk.img1", of "disk1" "disk1p1".
        number: countOf(/(\d+)$/.exec(textOf(entry['node']))?.[1], UINT32) || index + 1,
        offset: BigInt(offset),
        length: BigInt(countOf(entry['size']) * sectorSize),
        type: textOf(entry['type']).toLowerCase(),
        uuid: textOf(entry['uuid']).toLowerCase(),
        label: textOf(entry['name']),
        ...contentOf(await probe(system, file, offset)),
      }),
    );
  }
  const whole = await probe(system, file, 0);
  const content = contentOf(whole);
  return {
    name: path.basename(file),
    size: BigInt(size),
    logicalSectorSize: sectorSize,
    physicalSectorSize: sectorSize,
    serial: '',
    model: '',
    wwn: '',
    boot: false,
    partitionTable: textOf(table['label']) || whole('PTTYPE'),
    partitions: partitions.length === 0 && content.content !== '' ? [wholeDisk(size, content)] : partitions,
  };
};

const contentOf = (tag: (name: string) => string): Content => ({ content: tag('TYPE'), contentUuid: tag('UUID'), mountPoints: [] });
